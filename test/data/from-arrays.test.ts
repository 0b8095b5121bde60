import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describes, integer } from '../../lib/base/validate.js';
import { analyze, fitLinearLam, openData, transitions } from '../../lib/index.js';
import { npy, npz, scratch, varying } from './files.js';

const file = scratch();
const [N, d] = [60, 3];
const o = varying(N, d);
const next = varying(N, d, 2);
const a = varying(N, 2, 3);
const x = varying(N, 2, 4);
const xNext = varying(N, 2, 5);
const rows = (values: Float64Array, dim: number) =>
  Array.from({ length: values.length / dim }, (_, i) => Array.from(values.subarray(i * dim, (i + 1) * dim)));

const path = npz(file('all.npz'), {
  observation: npy(o, [N, d]),
  observation_next: npy(next, [N, d]),
  actions: npy(a, [N, 2]),
  exogenous: npy(x, [N, 2]),
  exogenous_next: npy(xNext, [N, 2]),
  observation_pair: npy(next, [N, d]),
  observation_pair_next: npy(o, [N, d]),
  episode_index: npy(
    Int32Array.from({ length: N }, (_, i) => Math.floor(i / 10)),
    [N],
    { descr: '<i4' },
  ),
});
const framesPath = npz(file('frames.npz'), {
  observations: npy(o, [N, d]),
  episode_ends: npy(BigInt64Array.of(20n, 60n), [2], { descr: '<i8' }),
  actions: npy(a, [N, 2]),
  exogenous: npy(x, [N, 2]),
});
const episode = Array.from({ length: N }, (_, i) => Math.floor(i / 10));

describe('transitions of plain arrays', () => {
  const listed = {
    observation: rows(o, d),
    observationNext: rows(next, d),
    actions: rows(a, 2),
    exogenous: rows(x, 2),
    exogenousNext: rows(xNext, 2),
    pairObservation: rows(next, d),
    pairObservationNext: rows(o, d),
    episode,
  };

  it('are those of the same arrays in a file', async () => {
    expect(transitions(listed)).toEqual(await openData(path));
  });

  it('take rows as typed arrays, and all rows as one', () => {
    const typed = listed.observation.map((row) => Float64Array.from(row));
    expect(transitions({ ...listed, observation: typed })).toEqual(transitions(listed));
    const flat = transitions({ ...listed, observation: o, observationDim: d, actions: a, exogenous: x });
    expect(flat).toEqual(transitions(listed));
    expect(flat.observation).toBe(o);
    const single = transitions({ ...listed, actions: Float32Array.from(a) });
    expect(single.actionDim).toBe(2);
    expect(single.action).toEqual(Float64Array.from(Float32Array.from(a)));
  });

  it('take the names of an .npz', () => {
    const { observation, episode: _, ...rest } = listed;
    expect(
      transitions({
        observation,
        observation_next: rest.observationNext,
        action: rest.actions,
        exogenous: rest.exogenous,
        exogenous_next: rest.exogenousNext,
        observation_pair: rest.pairObservation,
        observation_pair_next: rest.pairObservationNext,
        episode_index: BigInt64Array.from(episode, BigInt),
      }),
    ).toEqual(transitions(listed));
  });

  it.each([1, 3])('of frames are those of a file, at stride %i', async (stride) => {
    const frames = { observations: rows(o, d), actions: rows(a, 2), exogenous: rows(x, 2), stride };
    const found = transitions({ ...frames, episodeEnds: [20, 60] });
    expect(found).toEqual(await openData(framesPath, { stride }));
    const numbers = Array.from({ length: N }, (_, i) => (i < 20 ? 0 : 1));
    expect(transitions({ ...frames, episode: numbers })).toEqual(found);
    // Row 0 is frame 0 to frame `stride`; the first of the second episode is frame 20.
    const second = 20 - stride;
    expect(Array.from(found.observation.subarray(second * d, second * d + d))).toEqual(rows(o, d)[20]);
    expect(Array.from(found.exogenous?.subarray(2 * second, 2 * second + 2) ?? [])).toEqual(rows(x, 2)[20]);
    expect(Array.from(found.exogenousNext?.subarray(2 * second, 2 * second + 2) ?? [])).toEqual(
      rows(x, 2)[20 + stride],
    );
  });

  it('go into analyze and fitLinearLam in one line', async () => {
    const { observation, observationNext, actions } = listed;
    const analysis = await analyze(transitions({ observation, observationNext, actions }));
    expect(analysis).toMatchObject({ transitions: N, observationDim: d, actionDim: 2, episodes: N });
    expect(analysis.latent.some((row) => row.metrics.actionError !== undefined)).toBe(true);
    const lam = await fitLinearLam({
      data: transitions({ observation, observationNext }),
      objective: { kind: 'reconstruction' },
      latentDim: 2,
    });
    expect(lam.encode(o, next)).toHaveLength(2 * N);
  });

  it("keep x of a distractor beside x'", async () => {
    const t = await openData(framesPath, { distractor: 1 });
    // x of a row is x' of the row before it in the same episode.
    expect(t.exogenous?.subarray(d, 2 * d)).toEqual(t.exogenousNext?.subarray(0, d));
  });
});

describe('schema and interface are one', () => {
  interface Wanted {
    readonly size: number;
    readonly depth?: number | undefined;
  }
  it('or tsc says so', () => {
    const same = describes<Wanted>()(z.strictObject({ size: integer(1), depth: integer(1).optional() }));
    expect(same.parse({ size: 1 })).toEqual({ size: 1 });
    // @ts-expect-error a key is missing
    describes<Wanted>()(z.strictObject({ size: integer(1) }));
    // @ts-expect-error a key is needed that the interface does not ask for
    describes<Wanted>()(z.strictObject({ size: integer(1), depth: integer(1) }));
    // @ts-expect-error a type differs
    describes<Wanted>()(z.strictObject({ size: z.string(), depth: integer(1).optional() }));
    // @ts-expect-error there is one key more
    describes<Wanted>()(z.strictObject({ size: integer(1), depth: integer(1).optional(), more: integer(1) }));
  });
});
