/** What the structure check needs to know of a TypeScript file. */

import {
  type ImportDeclaration,
  type MethodDefinition,
  type Node,
  type ObjectProperty,
  parseSync,
  visitorKeys,
} from 'oxc-parser';

export interface Import {
  /** As it is written. */
  readonly specifier: string;
  readonly line: number;
  /** Whether nothing of it is left when the types are taken away. */
  readonly typesOnly: boolean;
}

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  /** Without the lines of functions that are declared within it. */
  readonly lines: number;
}

/** A name or a text that a file uses, and where. */
export interface Use {
  readonly text: string;
  readonly line: number;
}

export interface Source {
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionSpan[];
  /** Free-standing names and their properties, as in `Math.random`; `new Date` only without arguments. */
  readonly names: readonly Use[];
  /** Texts that stand where a path is read. */
  readonly reads: readonly Use[];
  readonly texts: readonly Use[];
}

export function readSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: cannot be read: ${errors[0].message}`);
  const imports: Import[] = [];
  const functions: FunctionSpan[] = [];
  const names: Use[] = [];
  const reads: Use[] = [];
  const texts: Use[] = [];
  const lineOf = linesOf(text);
  const textOf: TextOf = ({ start, end }) => text.slice(start, end);
  // Gives how many lines of the node are functions with a name of their own.
  const visit = (node: Node, around?: Node): number => {
    const line = lineOf(node.start);
    const imported = importOf(node);
    if (imported) imports.push({ ...imported, line });
    for (const { name, at } of usedNames(node, textOf)) names.push({ text: name, line: lineOf(at.start) });
    const own = textIn(node);
    if (own !== undefined) texts.push({ text: own, line });
    const read = readPath(node, textOf);
    if (read !== undefined) reads.push({ text: read, line });
    let within = 0;
    for (const child of childrenOf(node)) within += visit(child, node);
    if (!hasBody(node)) return within;
    // A method's name and its function are one.
    const whole = around && isMethod(around) && around.value === node ? around : node;
    const count = lineOf(whole.end) - lineOf(whole.start) + 1;
    const called = nameOf(node, around, textOf);
    functions.push({ name: called ?? '(nameless)', line: lineOf(whole.start), lines: count - within });
    return called === undefined ? within : count;
  };
  visit(program);
  return { imports, functions, names, reads, texts };
}

type TextOf = (node: Node) => string;

/** The line of each offset, counted from one. */
function linesOf(text: string): (offset: number) => number {
  const lines = new Uint32Array(text.length + 1).fill(1);
  for (let i = 1; i <= text.length; i++) lines[i] = lines[i - 1]! + (text[i - 1] === '\n' ? 1 : 0);
  return (offset) => lines[offset] as number;
}

function childrenOf(node: Node): Node[] {
  const keys = visitorKeys[node.type];
  if (!keys) throw new Error(`nothing is known of nodes of type ${node.type}`);
  const fields = node as unknown as Readonly<Record<string, Node | null | readonly (Node | null)[]>>;
  return keys.flatMap((key) => fields[key] ?? null).filter((value) => value !== null);
}

function hasBody(node: Node): boolean {
  const isFunction =
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression';
  return isFunction && node.body !== null;
}

const isMethod = (node: Node): node is MethodDefinition | ObjectProperty =>
  node.type === 'MethodDefinition' || (node.type === 'Property' && (node.method || node.kind !== 'init'));

function importOf(node: Node): Omit<Import, 'line'> | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return { specifier: node.source.value, typesOnly: importsTypesOnly(node) };
    case 'ExportAllDeclaration':
      return { specifier: node.source.value, typesOnly: node.exportKind === 'type' };
    case 'ExportNamedDeclaration': {
      if (!node.source) return undefined;
      const typesOnly = node.exportKind === 'type' || node.specifiers.every(({ exportKind }) => exportKind === 'type');
      return { specifier: node.source.value, typesOnly };
    }
    case 'TSImportType':
      return { specifier: node.source.value, typesOnly: true };
    case 'ImportExpression':
      return { specifier: wholeText(node.source) ?? '', typesOnly: false };
    default:
      return undefined;
  }
}

function importsTypesOnly({ importKind, specifiers }: ImportDeclaration): boolean {
  if (importKind === 'type') return true;
  return (
    specifiers.length > 0 && specifiers.every((each) => each.type === 'ImportSpecifier' && each.importKind === 'type')
  );
}

function nameOf(node: Node, around: Node | undefined, textOf: TextOf): string | undefined {
  if ('id' in node && node.id) return textOf(node.id as Node);
  if (around?.type === 'VariableDeclarator')
    return around.id.type === 'Identifier' ? around.id.name : textOf(around.id);
  if (around?.type !== 'MethodDefinition' && around?.type !== 'Property') return undefined;
  return around.computed ? `[${textOf(around.key)}]` : textOf(around.key);
}

/** A text as it is written, up to the first value in it. */
function textIn(node: Node): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined;
  return node.type === 'TemplateLiteral' || node.type === 'TSTemplateLiteralType'
    ? (node.quasis[0]?.value.cooked ?? undefined)
    : undefined;
}

/** A text without values in it. */
const wholeText = (node: Node): string | undefined =>
  node.type === 'TemplateLiteral' && node.expressions.length > 0 ? undefined : textIn(node);

/** The path that a call such as `readFileSync('...')` is given as a text. */
function readPath(node: Node, textOf: TextOf): string | undefined {
  if (node.type !== 'CallExpression') return undefined;
  const { callee, arguments: given } = node;
  const name = textOf(callee.type === 'MemberExpression' ? callee.property : callee);
  const [path] = given;
  return path && /^(?:read|open|exists|stat|lstat|copyFile|createReadStream)/.test(name) ? wholeText(path) : undefined;
}

function usedNames(node: Node, textOf: TextOf): { readonly name: string; readonly at: Node }[] {
  switch (node.type) {
    case 'MemberExpression': {
      const name = textOf(node)
        .replaceAll('?.', '.')
        .replace(/^globalThis\./, '');
      return node.computed ? [] : [{ name, at: node }];
    }
    // `const { env } = process`
    case 'VariableDeclarator':
      return node.init ? takenOf(node.id, node.init, textOf) : [];
    case 'AssignmentPattern':
      return takenOf(node.left, node.right, textOf);
    case 'NewExpression':
      return node.callee.type === 'Identifier' && node.arguments.length === 0
        ? [{ name: `new ${node.callee.name}`, at: node }]
        : [];
    case 'CallExpression':
      return node.callee.type === 'Identifier' ? [{ name: `${node.callee.name}()`, at: node }] : [];
    default:
      return [];
  }
}

function takenOf(pattern: Node, from: Node, textOf: TextOf): ReturnType<typeof usedNames> {
  if (pattern.type !== 'ObjectPattern' || from.type !== 'Identifier') return [];
  return pattern.properties.map((each) => ({
    name: `${from.name}.${textOf(each.type === 'Property' ? each.key : each.argument)}`,
    at: each,
  }));
}
