import benny from 'benny';

import type { Call, Case, Contender } from './case.js';

/** Times of one item, in seconds. */
export interface Measurement {
  readonly name: Contender['name'];
  readonly threads: number;
  readonly items: number;
  readonly samples: number;
  /** The least processor time of all samples, over all threads of the process: other processes do not count in it. */
  readonly cpu: number;
  /** The least and the median time by the clock. */
  readonly wall: number;
  readonly wallMedian: number;
  /** Of a peer: the way by which it was fastest, and what the others take. */
  readonly detail?: string;
}

/** Each contender's figures on the same few items, beside those of the first: who is wrong is not timed. */
export async function checkAgreement(subject: Case): Promise<void> {
  const items = Math.min(...subject.contenders.map((c) => c.items), 8);
  const figures = async (contender: Contender) => {
    const { run, figures }: Call = contender.prepare(items);
    return figures((await run()) as never);
  };
  const [first, ...others] = subject.contenders as [Contender, ...Contender[]];
  const expected = await figures(first);
  for (const other of others) {
    const found = await figures(other);
    for (let i = 0; i < expected.length || i < found.length; i++) {
      const error = Math.abs(found[i] - expected[i]);
      if (!(error <= 1e-7 * Math.abs(expected[i]) + (subject.tolerance ?? 1e-9)))
        throw new Error(
          `${subject.name}: ${other.name} gives ${found[i]} for figure ${i} where ${first.name} gives ${expected[i]}`,
        );
    }
  }
}

/** The native backend's calls are short, and its figures the point: many of them, for the sake of the best. */
function samplesAtLeast({ name }: Contender, quick: boolean): number {
  if (name === 'native') return quick ? 10 : 40;
  return quick ? 1 : 8;
}

interface Times {
  readonly cpu: number[];
  readonly wall: number[];
}

/** One case by benny, a suite of its own; a figure is that of one call among those that benny makes. */
export async function measure(subject: Case, quick: boolean): Promise<Measurement[]> {
  await checkAgreement(subject);
  const items = (contender: Contender) => Math.max(1, quick ? contender.items >> 2 : contender.items);
  const times = new Map<Contender, Times>();
  await benny.suite(
    subject.name,
    ...subject.contenders.map((contender) => {
      const { run } = contender.prepare(items(contender));
      // benny calls a set-up more often than it uses what comes back: only the last one's times are kept.
      const setUp = () => {
        const { cpu, wall }: Times = { cpu: [], wall: [] };
        times.set(contender, { cpu, wall });
        return async () => {
          const before = process.cpuUsage();
          const start = performance.now();
          await run();
          wall.push((performance.now() - start) * 1e-3);
          const { user, system } = process.cpuUsage(before);
          cpu.push((user + system) * 1e-6);
        };
      };
      return benny.add(`${contender.name}, threads ${contender.threads}`, setUp, {
        minSamples: samplesAtLeast(contender, quick),
        // Of one sample: native calls follow each other, so that caches and threads are as warm as a sweep's.
        minTime: contender.name === 'native' && !quick ? 0.02 : 1e-4,
        maxTime: quick ? 0.03 : 1,
        delay: 0,
      });
    }),
  );
  return subject.contenders.map((contender) => {
    const { cpu, wall } = times.get(contender) as Times;
    const ordered = wall.sort((a, b) => a - b);
    const count = items(contender);
    return {
      name: contender.name,
      threads: contender.threads,
      items: count,
      samples: wall.length,
      cpu: Math.min(...cpu) / count,
      wall: ordered[0] / count,
      wallMedian: ordered[wall.length >> 1] / count,
    };
  });
}
