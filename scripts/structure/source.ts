/** What the structure check needs to know of a TypeScript file. */

import ts from 'typescript';

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
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const functions: FunctionSpan[] = [];
  const names: Use[] = [];
  const reads: Use[] = [];
  const texts: Use[] = [];
  const lineOf = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
  const countOf = (node: ts.Node): number => lineOf(node.end) - lineOf(node.getStart(file)) + 1;
  // Gives how many lines of the node are functions with a name of their own.
  const visit = (node: ts.Node): number => {
    const line = lineOf(node.getStart(file));
    const imported = importOf(node);
    if (imported) imports.push({ ...imported, line });
    const name = usedName(node);
    if (name) names.push({ text: name, line });
    if (isText(node)) texts.push({ text: node.text, line });
    const read = readPath(node);
    if (read !== undefined) reads.push({ text: read, line });
    let within = 0;
    ts.forEachChild(node, (child) => {
      within += visit(child);
    });
    if (!ts.isFunctionLike(node) || !('body' in node) || !node.body) return within;
    const called = nameOf(node);
    functions.push({ name: called ?? '(nameless)', line, lines: countOf(node) - within });
    return called === undefined ? within : countOf(node);
  };
  visit(file);
  return { imports, functions, names, reads, texts };
}

function importOf(node: ts.Node): Omit<Import, 'line'> | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typesOnly: importsTypesOnly(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    const named = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : undefined;
    const typesOnly = node.isTypeOnly || (named?.every((element) => element.isTypeOnly) ?? false);
    return { specifier: node.moduleSpecifier.text, typesOnly };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, typesOnly: true };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    return { specifier: argument && ts.isStringLiteralLike(argument) ? argument.text : '', typesOnly: false };
  }
  return undefined;
}

function importsTypesOnly(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  if (name || !namedBindings || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.every((element) => element.isTypeOnly);
}

function nameOf(node: ts.SignatureDeclaration): string | undefined {
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  if (node.name) return node.name.getText();
  const around = node.parent;
  return ts.isVariableDeclaration(around) || ts.isPropertyAssignment(around) ? around.name.getText() : undefined;
}

function isText(node: ts.Node): node is ts.StringLiteralLike | ts.TemplateHead {
  return ts.isStringLiteralLike(node) || ts.isTemplateHead(node);
}

/** The path that a call such as `readFileSync('...')` is given as a text. */
function readPath(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const { expression, arguments: given } = node;
  const name = ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
  const [path] = given;
  return path && isText(path) && /^(?:read|open|exists|stat|lstat|copyFile|createReadStream)/.test(name)
    ? path.text
    : undefined;
}

function usedName(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node))
    return node
      .getText()
      .replaceAll('?.', '.')
      .replace(/^globalThis\./, '');
  if (ts.isBindingElement(node)) {
    // `const { env } = process`
    const { initializer } = node.parent.parent as ts.VariableDeclaration;
    return initializer && ts.isIdentifier(initializer)
      ? `${initializer.text}.${(node.propertyName ?? node.name).getText()}`
      : undefined;
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && !node.arguments?.length) {
    return `new ${node.expression.text}`;
  }
  return ts.isCallExpression(node) && ts.isIdentifier(node.expression) ? `${node.expression.text}()` : undefined;
}
