/** Control characters but tab and line feed, and those that reorder the text around them; marks of direction stay. */
const UNSAFE = /(?![\t\n])\p{Cc}|[\u202A-\u202E\u2066-\u2069]|\p{Surrogate}/gu;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Any text for an HTML element or a quoted attribute: shown as it is, in its own direction only, never as markup. */
export function escapeHtml(text: string): string {
  return text.replace(UNSAFE, '').replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}
