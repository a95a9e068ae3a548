/** Which of the twins `*.node.ts` and `*.browser.ts` to load. */
export const isNode = typeof process !== 'undefined' && process.versions?.node !== undefined;
