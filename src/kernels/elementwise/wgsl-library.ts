/** How functions in WGSL are kept until a kernel's text calls them (`math.wgsl.ts`). */
export interface LibraryFunction {
  readonly text: string;
  /** Names of the functions that the text calls. */
  readonly uses?: readonly string[];
}

export type WgslLibrary = Readonly<Record<string, LibraryFunction>>;

/** c[0] x^n + ... + c[n] as an expression, by Horner's rule. */
export function hornerText(x: string, coefficients: readonly number[]): string {
  const [leading, ...rest] = coefficients;
  return rest.reduce((sum, c) => `(${sum} * ${x} + ${c})`, `T(${leading})`);
}
