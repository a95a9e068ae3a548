/** Tables as RFC 4180 has them: fields between commas, lines that end in CR LF, quotes where a field needs them. */

/** One line of a table. */
export function csvLine(fields: readonly (string | number)[]): string {
  return `${fields.map(quoted).join(',')}\r\n`;
}

function quoted(field: string | number): string {
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
