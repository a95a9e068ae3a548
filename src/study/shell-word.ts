/** Commands that are printed to be copied into a POSIX shell. */

/** A word as a shell takes it: as it is, or in single quotes where a shell would read it otherwise. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
