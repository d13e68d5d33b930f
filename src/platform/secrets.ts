/** Shorter texts are not taken for secrets: they would turn ordinary output into stars. */
const MIN_LENGTH = 8;

/** The texts that must never be printed, and the filter that sees to it. */
export interface Secrets {
  /** Remembers a secret; surrounding white space does not count, and fewer than 8 characters are ignored. */
  add(secret: string): void;
  /** The text with `***` for each secret, also where it stands URL-encoded, Base64-encoded or escaped as in JSON. */
  mask(text: string): string;
}

/** An empty registry. It is the last line of defence: errors and events are free of secrets when they are made. */
export function createSecrets(): Secrets {
  const forms = new Set<string>();
  let longestFirst: readonly string[] = [];

  return {
    add(secret) {
      const text = secret.trim();
      if (text.length < MIN_LENGTH) return;
      for (const form of encodedForms(text)) if (form.length >= MIN_LENGTH) forms.add(form);
      longestFirst = [...forms].sort((a, b) => b.length - a.length);
    },
    mask(text) {
      let masked = text;
      for (const form of longestFirst) if (masked.includes(form)) masked = masked.replaceAll(form, '***');
      return masked;
    },
  };
}

function encodedForms(secret: string): string[] {
  const uri = encodeURIComponent(secret.replace(/\p{Surrogate}/gu, '\uFFFD'));
  const lowerUri = uri.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
  const json = JSON.stringify(secret).slice(1, -1);
  const asciiJson = json.replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [secret, uri, lowerUri, uri.replaceAll('%20', '+'), json, asciiJson, ...base64Forms(secret)];
}

/**
 * Base64 of a text that holds the secret somewhere (`user:KEY`): three bytes give four characters, so it looks different
 * at each of three offsets. The characters that depend on the neighbours are left out.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const whole = bytes.toString('base64');
  const inner = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const fullGroups = Math.floor((offset + bytes.length) / 3) * 4;
    return encoded.slice(offset === 0 ? 0 : offset + 1, fullGroups);
  });
  const standard = [whole, ...inner];
  return standard.flatMap((text) => [
    text,
    text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
  ]);
}
