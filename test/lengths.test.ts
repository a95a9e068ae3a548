/**
 * No function in `src/` is longer than a reader holds in mind: 80 lines, of which the lines inside template literals (the
 * text of a shader, of a style sheet, of a worker) do not count. Read from TypeScript's own syntax trees, so that tables
 * and types are not taken for functions. How long files may be is checked in architecture.test.ts.
 */
import { fileURLToPath } from 'node:url';
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';
import { describe, expect, it } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const MOST_LINES = 80;

const FUNCTIONS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]);
const NAMING: ReadonlySet<SyntaxKind> = new Set([
  ...FUNCTIONS,
  SyntaxKind.VariableDeclaration,
  SyntaxKind.PropertyAssignment,
  SyntaxKind.PropertyDeclaration,
]);
const TEMPLATES: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.TemplateExpression,
  SyntaxKind.NoSubstitutionTemplateLiteral,
]);

interface LongFunction {
  /** Its own name, or that of the function, variable or property it stands in. */
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Every function of a file that has more than `most` lines, shader text not counted. */
function longFunctions(file: SourceFile, most: number): LongFunction[] {
  const { text } = file;
  const lineOf = (position: number): number => text.slice(0, position).split('\n').length;
  const breaks = (node: Node): number => lineOf(node.end) - lineOf(node.getStart(file));
  const textLines = (node: Node): number => {
    if (TEMPLATES.has(node.kind)) return breaks(node);
    let sum = 0;
    node.forEachChild(child => {
      sum += textLines(child);
    });
    return sum;
  };
  const found: LongFunction[] = [];
  const visit = (node: Node, enclosing: string): void => {
    const own = NAMING.has(node.kind) ? (node as { name?: { text?: string } }).name?.text : undefined;
    const name = own ?? (node.kind === SyntaxKind.Constructor ? 'constructor' : enclosing);
    if (FUNCTIONS.has(node.kind)) {
      const lines = breaks(node) + 1 - textLines(node);
      if (lines > most) found.push({ name, line: lineOf(node.getStart(file)), lines });
    }
    node.forEachChild(child => visit(child, name));
  };
  visit(file, '');
  return found;
}

describe('the rule sees what breaks it', () => {
  const parse = (source: string): SourceFile => {
    const fs = createVirtualFileSystem({ '/tsconfig.json': '{ "files": ["/a.ts"] }', '/a.ts': source });
    const api = new API({ cwd: '/', fs });
    try {
      const [project] = api.updateSnapshot({ openProjects: ['/tsconfig.json'] }).getProjects();
      return project.program.getSourceFile('/a.ts')!;
    } finally {
      api.close();
    }
  };

  it('counts every line of a function, but for those inside template literals', () => {
    const source = `
      function four() {
        // A comment counts.
        return 1;
      }
      const arrow = () => {
        return { table: [
          1,
        ] };
      };
      class C {
        method() {
          const wgsl = \`
            fn main() {
              \${four()}
            }\`;
          return wgsl;
        }
      }
      const table = [
        1,
        2,
        3,
        4,
      ];`;
    const file = parse(source);
    const found = (most: number): string[] => longFunctions(file, most).map(({ name, lines }) => `${name} ${lines}`);
    expect(found(3)).toEqual(['four 4', 'arrow 5', 'method 4']);
    expect(found(4)).toEqual(['arrow 5']);
    expect(found(5)).toEqual([]);
    expect(longFunctions(file, 4)[0].line).toBe(6);
  });
});

it(`no function of src/ has more than ${MOST_LINES} lines`, { timeout: 120_000 }, () => {
  const api = new API({ cwd: REPOSITORY });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [`${REPOSITORY}tsconfig.build.json`] });
    const [{ program, rootFiles }] = snapshot.getProjects();
    expect(rootFiles.length).toBeGreaterThan(300);
    const long = rootFiles.flatMap(path => {
      const file = path.slice(path.lastIndexOf('/src/') + '/src/'.length);
      return longFunctions(program.getSourceFile(path)!, MOST_LINES).map(
        ({ name, line, lines }) => `${file}:${line} ${name}: ${lines} lines`,
      );
    });
    expect(long).toEqual([]);
  } finally {
    api.close();
  }
});
