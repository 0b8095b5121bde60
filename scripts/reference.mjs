// docs/reference.md: every key of a world, an objective and an options object, from the schemas that check them and the words beside
// the fields of their interfaces.
//   node scripts/reference.mjs [FILE]
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import ts from 'typescript';

import { filesBelow, ROOT } from './paths.mjs';

const target = process.argv[2] ?? join(ROOT, 'docs/reference.md');
const files = filesBelow('lib', /\.ts$/).filter((name) => !name.endsWith('.browser.ts'));
const program = ts.createProgram(
  files.map((name) => join(ROOT, name)),
  ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    ROOT,
  ).options,
);
const checker = program.getTypeChecker();

/** Calls `visit` with every node of a file. */
function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** Constants `name = describes<Interface>()(schema)`, file by file: what checks what. */
function describedSchemas() {
  const found = [];
  for (const file of files)
    for (const statement of program.getSourceFile(join(ROOT, file)).statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name, initializer } of statement.declarationList.declarations)
        if (
          initializer &&
          ts.isCallExpression(initializer) &&
          ts.isCallExpression(initializer.expression) &&
          initializer.expression.expression.getText() === 'describes'
        )
          found.push({ file, constant: name.getText(), type: initializer.expression.typeArguments[0] });
    }
  return found;
}

/** The schemas themselves by the name of their interface: lib/ bundled so that it also exports what it keeps to itself. */
async function loadSchemas(described) {
  const exposed = (file) =>
    described
      .filter((d) => d.file === file)
      .map(({ constant, type }) => `export { ${constant} as $${type.getText()} };`);
  const expose = {
    name: 'expose',
    setup({ onLoad, onResolve }) {
      // Schemas are made by zod alone: what reads files need not be there.
      onResolve({ filter: /^[^./#]/ }, ({ path, kind }) =>
        kind === 'entry-point' || path === 'zod' || isBuiltin(path)
          ? undefined
          : { path, namespace: 'absent' },
      );
      onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
        contents: 'module.exports = {};',
        loader: 'js',
      }));
      onLoad({ filter: /[\\/]lib[\\/].*\.ts$/ }, ({ path }) => ({
        contents: [readFileSync(path, 'utf8'), ...exposed(relative(ROOT, path).replaceAll('\\', '/'))].join(
          '\n',
        ),
        loader: 'ts',
      }));
    },
  };
  const folder = join(ROOT, 'build');
  const outfile = join(folder, `reference-${process.pid}.mjs`);
  mkdirSync(folder, { recursive: true });
  const modules = [...new Set(described.map(({ file }) => file))];
  try {
    await build({
      stdin: {
        contents: modules.map((file) => `export * from './${file}';`).join('\n'),
        resolveDir: ROOT,
        loader: 'ts',
      },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      external: ['zod'],
      plugins: [expose],
      outfile,
      logLevel: 'error',
    });
    const all = await import(pathToFileURL(outfile).href);
    return new Map(described.map(({ type }) => [type.getText(), all[`$${type.getText()}`]]));
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** What stands in a doc comment, links as code. */
const textOf = (symbol) =>
  ts
    .displayPartsToString(symbol.getDocumentationComment(checker))
    .replaceAll(/\{@link (\w+) ?\}/g, '`$1`')
    .replaceAll(/\s+/g, ' ')
    .trim();

/** A schema without what makes it optional, and the default that it gives. */
function unwrap(schema) {
  let inner = schema;
  let fallback;
  while (['optional', 'default', 'prefault', 'readonly', 'nullable', 'pipe'].includes(inner.def.type)) {
    if (inner.def.type === 'default' || inner.def.type === 'prefault') fallback = inner.def.defaultValue;
    inner = inner.def.type === 'pipe' ? inner.def.in : inner.def.innerType;
  }
  return { inner, fallback };
}

/** What a number is held to. */
function range({ minValue, maxValue, format, def }) {
  const noun = format?.includes('int') ? 'integer' : 'number';
  const checks = (def.checks ?? []).map((check) => check._zod.def);
  const strict = (kind) => checks.some((c) => c.check === kind && c.inclusive === false);
  const finite = (value) => Number.isFinite(value) && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  const parts = [];
  if (finite(minValue)) parts.push(`${strict('greater_than') ? 'above' : 'from'} ${minValue}`);
  if (finite(maxValue)) parts.push(`${strict('less_than') ? 'below' : 'to'} ${maxValue}`);
  return parts.length > 0 ? `${noun} ${parts.join(' ')}` : `any ${noun}`;
}

/** What a schema accepts, in words; `names` knows the schemas that have a table of their own. */
function accepted(schema, names) {
  const { inner } = unwrap(schema);
  const named = [...names].find(([, s]) => s === inner || s === schema);
  if (named) return `\`${named[0]}\``;
  const { type } = inner.def;
  if (type === 'number') return range(inner);
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'string') return 'text';
  if (type === 'enum') return inner.options.map((value) => `\`${value}\``).join(', ');
  if (type === 'literal') return [...inner.values].map((value) => `\`${value}\``).join(', ');
  if (type === 'array') {
    const least = (inner.def.checks ?? []).map((c) => c._zod.def).find((c) => c.check === 'min_length');
    return `list${least ? ' of at least one' : ''}: ${accepted(inner.def.element, names)}`;
  }
  if (type === 'union') {
    const kinds = inner.options.map((option) => accepted(option, names));
    return kinds.join(', ');
  }
  if (type === 'unknown') return 'anything';
  if (type === 'object') {
    const fields = Object.entries(inner.shape).map(([key, field]) => `\`${key}\`: ${accepted(field, names)}`);
    return `object of ${fields.join(', ')}`;
  }
  // A custom check says what it expects when it is shown something else.
  const said = inner.safeParse(Symbol('anything else')).error?.issues[0]?.message ?? '';
  return said.replace(/^expected (an? )?/, '').replace(/,$/, '');
}

const plain = (value) => JSON.stringify(value);
const said = (text) => text.replaceAll('`', '').replace(/\.$/, '');

/** Splits "meaning. Default 3. More." into the meaning and the default as the comment has it. */
function partsOf(comment) {
  const match = /(?:^|\s)Default:? (.*?)\.(?=\s[A-Z]|$)/.exec(comment);
  if (!match) return { meaning: comment, inWords: undefined };
  const rest = `${comment.slice(0, match.index)}${comment.slice(match.index + match[0].length)}`.trim();
  // A comment that has a default alone says by it what the field is.
  return { meaning: rest || comment, inWords: match[1] };
}

/** The default of a field: the schema's, which the comment must not contradict, else the comment's words. */
function defaultOf(where, { fallback }, inWords) {
  const simple = ['number', 'boolean', 'string'].includes(typeof fallback);
  if (!simple && fallback !== undefined) return `\`${plain(fallback)}\``;
  if (!simple) return inWords ?? 'none';
  if (inWords === undefined)
    throw new Error(`${where}: the comment does not say that the default is ${fallback}`);
  const [first] = said(inWords).split(/[,;: ]/);
  if (first !== String(fallback) && Number(first) !== fallback)
    throw new Error(`${where}: the comment says default ${inWords}, but the schema ${plain(fallback)}`);
  return `\`${fallback}\``;
}

const escaped = (text) => text.replaceAll('|', '\\|');

/** Words for a field that has none of its own: what names an objective, and second names of arrays. */
function wordsFor(key, schema, properties) {
  if (unwrap(schema).inner.def.type === 'literal') return 'Names the objective.';
  const same = properties.find((property) => textOf(property).includes(`(\`${key}\`)`));
  if (!same) throw new Error(`${key}: no comment says what it means`);
  return `Another name of \`${same.getName()}\`.`;
}

/** The table of one interface, but for the keys of `shared`. */
function tableOf(name, type, schema, names, shared) {
  const { inner } = unwrap(schema);
  const properties = checker.getPropertiesOfType(type).filter((property) => !shared.has(property.getName()));
  const rows = properties.map((property) => {
    const key = property.getName();
    const field = inner.shape[key];
    const optional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    const { meaning, inWords } = partsOf(textOf(property));
    const cells = [
      `\`${key}\``,
      accepted(field, names),
      optional ? defaultOf(`${name}.${key}`, unwrap(field), inWords) : '**required**',
      meaning || wordsFor(key, field, properties),
    ];
    return `| ${cells.map(escaped).join(' | ')} |`;
  });
  return ['| key | accepted | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

/** Public functions by the interfaces that their parameters name. */
function takers() {
  const index = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, 'lib/index.ts')));
  const found = new Map();
  for (const symbol of checker.getExportsOfModule(index)) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    for (const declaration of target.declarations ?? [])
      if (ts.isFunctionDeclaration(declaration))
        for (const { type } of declaration.parameters)
          if (type)
            walk(type, (node) => {
              if (!ts.isTypeReferenceNode(node)) return;
              const name = node.typeName.getText();
              found.set(name, (found.get(name) ?? new Set()).add(symbol.getName()));
            });
  }
  return found;
}

const HEAD = `# Reference: every key, its range and its default

Made from the schemas that check what you pass and from the comments beside the interfaces; \`npm run reference\` makes it again, and a
test fails where it is out of date. An unknown key, a wrong type or a value out of range is an \`ExolamError\` that names the
field, the value and what is accepted. [theory.md](theory.md) has the formulae.
`;

/** The interfaces that a schema of an interface nobody else sees stands for. */
const STANDS_FOR = { AnyCase: ['Case', 'MultiCase'] };

/** What has a table: the name of an interface, its type, its schema. */
function tablesOf(described, schemas) {
  return described
    .filter(({ type }) => schemas.get(type.getText()).def.type === 'object')
    .flatMap(({ file, type }) => {
      const name = type.getText();
      const schema = schemas.get(name);
      if (!STANDS_FOR[name]) return [{ file, name, type: checker.getTypeFromTypeNode(type), schema }];
      const source = program.getSourceFile(join(ROOT, file));
      return STANDS_FOR[name].map((each) => {
        const declared = source.statements.find((s) => ts.isInterfaceDeclaration(s) && s.name.text === each);
        return { file, name: each, type: checker.getTypeAtLocation(declared), schema };
      });
    });
}

async function page() {
  const described = describedSchemas();
  const schemas = await loadSchemas(described);
  const users = takers();
  const tables = tablesOf(described, schemas);
  const control = new Set(Object.keys(schemas.get('Control').shape));
  const section = ({ name, type, schema }) => {
    const by = [...(users.get(name) ?? [])].map((f) => `\`${f}\``).join(', ');
    const keys = checker.getPropertiesOfType(type).map((property) => property.getName());
    const isWatched = name !== 'Control' && [...control].every((key) => keys.includes(key));
    const also = isWatched ? 'Besides these keys it has those of [Control](#control).' : '';
    const about = [textOf(type.symbol), by ? `Taken by ${by}.` : '', also].filter(Boolean).join(' ');
    const table = tableOf(name, type, schema, schemas, isWatched ? control : new Set());
    return [`### ${name}`, about, table].filter(Boolean).join('\n\n');
  };
  const inFile = (path) => tables.filter(({ file }) => file === path).map(section);
  const own = ['lib/world/world.ts', 'lib/solve/objectives.ts'];
  const others = tables.filter(({ file }) => !own.includes(file));
  others.sort((a, b) => (a.name < b.name ? -1 : 1));
  const groups = [
    // The world before the matrices that it may hold.
    ['The world', inFile(own[0]).reverse()],
    ['Objectives', inFile(own[1])],
    ['Data, cases and options', others.map(section)],
  ];
  return `${HEAD}\n${groups.map(([title, parts]) => `## ${title}\n\n${parts.join('\n\n')}\n`).join('\n')}`;
}

writeFileSync(target, await page());
