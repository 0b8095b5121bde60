import { PEERS } from './case.js';
import { type CaseResult, doubts, type Results } from './results.js';

/** Seconds as a person reads them, three digits. */
export function duration(seconds: number): string {
  const [factor, unit] =
    seconds < 1e-6 ? [1e9, 'ns'] : seconds < 1e-3 ? [1e6, 'us'] : seconds < 1 ? [1e3, 'ms'] : [1, 's'];
  return `${Number((seconds * factor).toPrecision(3))} ${unit}`;
}

/** A number of operations: three digits. */
export function count({ operations, precision }: CaseResult): string {
  if (operations === undefined) return '';
  const [factor, prefix] =
    operations < 1e3
      ? [1, '']
      : operations < 1e6
        ? [1e3, ' k']
        : operations < 1e9
          ? [1e6, ' M']
          : [1e9, ' G'];
  return `${Number((operations / factor).toPrecision(3))}${prefix}${precision ? ' f32' : ''}`;
}

export const ratio = (value: number | undefined): string =>
  value === undefined ? '' : `${value >= 10 ? Math.round(value) : value.toFixed(1)}x`;

/** A Markdown table whose columns also line up in a terminal: numbers to the right, the first column and those of words to the left. */
export function markdown(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  words: readonly string[] = [],
): string {
  const widths = header.map((h, c) => Math.max(h.length, ...rows.map((r) => r[c].length)));
  const left = header.map((h, c) => c === 0 || words.includes(h));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, c) => (left[c] ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join(' | ')} |`;
  const rule = `|${widths.map((w, c) => (left[c] ? '-'.repeat(w + 2) : `${'-'.repeat(w + 1)}:`)).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

function row(result: CaseResult): string[] {
  const cpu = (name: string) => {
    const found = result.contenders.find((c) => c.name === name);
    return found ? duration(found.cpu) : '';
  };
  const { limit, native, ratios } = result;
  return [
    result.name,
    duration(native),
    cpu('reference'),
    ratio(ratios['reference']),
    cpu('ml-matrix'),
    ratio(ratios['ml-matrix']),
    count(result),
    limit ? `${duration(limit.seconds)} ${limit.by}` : '',
    limit ? `${Math.round((100 * limit.seconds) / native)} %` : '',
  ];
}

/** Two threads beside one, by the clock. */
export function threads(result: CaseResult): string[][] {
  const [one, two] = [1, 2].map((n) => result.contenders.find((c) => c.name === 'native' && c.threads === n));
  if (!one || !two) return [];
  const rate = (seconds: number) => Math.round(1 / seconds).toLocaleString('en');
  return [[result.name, rate(one.wall), rate(two.wall), `${(one.wall / two.wall).toFixed(2)}x`]];
}

/** One row a case, one column a peer: time, ratio to native, and the share of the machine's limit where there is one. */
function peers({ cases, peers }: Results): string[] {
  if (!peers) return [];
  const present = PEERS.filter((peer) => peer in peers.versions);
  const of = (result: CaseResult) =>
    present.map((peer) => result.contenders.find((contender) => contender.name === peer));
  const measured = cases.filter((result) => of(result).some((m) => m !== undefined));
  const reached = ({ limit }: CaseResult, seconds: number) =>
    limit ? `, ${Math.round((100 * limit.seconds) / seconds)} %` : '';
  const rows = measured.map((result) => [
    result.name,
    `${duration(result.native)}${reached(result, result.native)}`,
    ...of(result).map((m) =>
      m ? `${duration(m.cpu)}, ${ratio(result.ratios[m.name])}${reached(result, m.cpu)}` : '',
    ),
  ]);
  const ways = new Map<string, string[]>();
  for (const result of measured) {
    const text = of(result)
      .flatMap((m) => (m ? [`${m.name} by ${m.detail}`] : []))
      .join('. ');
    ways.set(text, [...(ways.get(text) ?? []), result.name]);
  }
  const versions = present.map((peer) => `${peer} ${peers.versions[peer]}`).join('; ');
  return [
    'Peers: the same, each in a process of its own, one thread; x: times the native backend; %: of the limit.',
    '',
    ...(versions === '' ? [] : [versions, '']),
    ...(rows.length === 0
      ? []
      : [
          markdown(['case', 'native', ...present], rows),
          '',
          ...[...ways].map(([text, names]) => `- ${names.join('; ')}: ${text}`),
          '',
        ]),
    ...peers.absent.flatMap((note) => [`Absent: ${note}`, '']),
  ];
}

/** Two clocks and the limit against each other: what one bad sample can feign is said beside the tables. */
export function doubtful(cases: readonly CaseResult[]): string[] {
  const lines = cases.flatMap((result) => {
    const found = doubts(result);
    return found.length > 0 ? [`- ${result.name}: ${found.join(', ')}`] : [];
  });
  if (lines.length === 0) return [];
  return [
    'In doubt: the best processor time is less than 95 % of the best wall time (no sample was undisturbed), or less than the limit:',
    '',
    ...lines,
    '',
  ];
}

/** How many times as fast native is, in one line, over the cases that plain TypeScript does too. */
function answer({ cases, machine, quick }: Results): string {
  const times = cases.flatMap((c) => c.ratios['reference'] ?? []).sort((a, b) => a - b);
  const middle = ratio(times[Math.floor(times.length / 2)]);
  const span =
    times.length > 1
      ? `${ratio(times[0])} to ${ratio(times.at(-1))}, half of the cases ${middle} or more`
      : middle || 'not timed in these cases';
  const who = machine.isa === 'wasm' ? 'WebAssembly' : `Native (${machine.isa})`;
  return `${who}, one thread, beside plain TypeScript: ${span}${quick ? '; quick, so rough' : ''}.`;
}

/** The results as Markdown; the first line is the answer. */
export function report(results: Results): string {
  const { machine, limits, cases } = results;
  const giga = (perSecond: number) => `${Number((perSecond * 1e-9).toPrecision(3))} G`;
  const reduced = cases.flatMap((c) => {
    const found = c.contenders.find((m) => m.name === 'ml-matrix, reduced');
    return found
      ? [
          `${c.name}: ml-matrix in the reduced basis takes ${duration(found.cpu)}, so of its ratio ${ratio(c.ratios['ml-matrix'])} the reduction is ${ratio(c.ratios['ml-matrix'] / c.ratios['ml-matrix, reduced'])} and the kernels are ${ratio(c.ratios['ml-matrix, reduced'])}.`,
        ]
      : [];
  });
  return [
    answer(results),
    `exolam ${machine.version}${machine.commit ? ` at ${machine.commit}` : ''}${results.quick ? ', quick: figures are rough' : ''}`,
    `${machine.cpu}, ${machine.cores} cores, load ${machine.load}; kernels ${machine.isa} (of ${machine.isas.join(', ')}); node ${machine.node} on ${machine.platform}`,
    `limits of one thread, measured: ${giga(limits.fma)}FLOP/s fma, ${giga(limits.copy)}B/s copy, ${giga(limits.write)}B/s write`,
    '',
    'One thread, processor time of one item, best of several calls; x: times the native backend.',
    '',
    markdown(
      ['case', 'native', 'reference', '', 'ml-matrix', '', 'operations', 'limit', 'reached'],
      cases.map(row),
    ),
    '',
    ...reduced,
    'Items per second by the clock, best call:',
    '',
    markdown(['case', '1 thread', '2 threads', ''], cases.flatMap(threads)),
    '',
    ...peers(results),
    ...doubtful(cases),
  ].join('\n');
}
