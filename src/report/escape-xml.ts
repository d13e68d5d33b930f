/** What XML 1.0 §2.2 allows; all else can't be written in any form, not even as a reference. */
const INVALID = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // A parser would make spaces of these in an attribute, and a line feed of a carriage return (§2.11, §3.3.3).
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Text for an attribute in double quotes. */
export function escapeXmlAttribute(text: string): string {
  return text.replace(INVALID, '').replace(/[&<>"\t\n\r]/g, (char) => REFERENCES[char] ?? '');
}

/** Text between tags; `]]>` can't arise, as `>` is escaped. */
export function escapeXmlText(text: string): string {
  return text.replace(INVALID, '').replace(/[&<>\r]/g, (char) => REFERENCES[char] ?? '');
}
