/**
 * Text from outside (names of files and tensors, metadata, messages of other programs) where a person reads it. Characters
 * that a terminal obeys, or that reorder or hide what stands beside them, are written out as \u{...}: otherwise a name could
 * clear the screen, forge a line of output, or show another file ending than it has.
 */

/**
 * Control characters (C0 with ESC, DEL, C1), separators of lines, marks and overrides of writing direction, invisible
 * fillers, tags, and halves of surrogate pairs. The two joiners (200C, 200D) stay: words and emoji are spelt with them.
 */
const UNSAFE =
  /[\p{Cc}\u061c\u00ad\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;

/** A single line that shows every character that is not plain text as its code point. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, character => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** As `plainText`, but line breaks and tabs stay: for text of several lines. */
export function plainLines(text: string): string {
  return text.replace(UNSAFE, character =>
    character === '\n' || character === '\t' ? character : plainText(character),
  );
}

/** JSON on one line without raw characters that a terminal obeys: they are escaped as JSON has it, so it reads the same. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, character =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
