import { distance } from 'fastest-levenshtein';
import { ExolamError, oneLine } from '../base/errors.js';

const collator = new Intl.Collator('en', { numeric: true });

/** obs_2 before obs_10. */
export function naturally(a: string, b: string): number {
  return collator.compare(a, b);
}

/** The nearest names first, cut short where there are many. */
export function listNearest(name: string, known: readonly string[], most = 12): string {
  if (known.length === 0) return 'none';
  const sorted = [...known].sort((a, b) => distance(name, a) - distance(name, b) || naturally(a, b));
  const more = sorted.length > most ? ` and ${sorted.length - most} more` : '';
  return oneLine(sorted.slice(0, most).join(', ')) + more;
}

/** A name that is not there: `what` names the thing asked for, `where` where it was looked for. */
export function unknownName(
  what: string,
  name: string,
  where: string,
  known: readonly string[],
): ExolamError {
  return new ExolamError(
    'input',
    `${what} "${name}" is not in ${where}; available: ${listNearest(name, known)}`,
  );
}

/** A name matched by a pattern, and what its star stood for (the whole name where the pattern has none). */
export interface Match {
  readonly name: string;
  readonly star: string;
}

/**
 * Names that match a pattern such as `obs_*`, in natural order; several patterns are separated by commas and keep their
 * order. `*` is any text.
 */
export function matchNames(patterns: string, names: readonly string[]): Match[] {
  const found = new Map<string, Match>();
  for (const pattern of patterns.split(',').map((part) => part.trim())) {
    const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const expression = new RegExp(`^${parts.join('(.*)')}$`, 's');
    for (const name of [...names].sort(naturally)) {
      const match = expression.exec(name);
      if (match && !found.has(name))
        found.set(name, { name, star: match.length > 1 ? match.slice(1).join('*') : name });
    }
  }
  return [...found.values()];
}

/** 0-3, 7, 9-11: numbers as a person would list them, cut short where there are many. */
export function ranges(numbers: readonly number[], most = 8): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let j = i;
    while (j + 1 < numbers.length && numbers[j + 1] === numbers[j] + 1) j++;
    parts.push(i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`);
    i = j + 1;
  }
  return parts.length > most ? `${parts.slice(0, most).join(', ')}, ...` : parts.join(', ');
}
