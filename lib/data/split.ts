import type { Transitions } from './transitions.js';

/** Which transitions are fitted and which are held out for the metrics. */
export interface Split {
  readonly train: Int32Array;
  readonly heldOut: Int32Array;
  readonly heldOutEpisodes: number;
}

/** Whole episodes, evenly spread, are held out; a single episode is cut once in time, with a gap of one stride. */
export function splitOf(t: Transitions, share: number): Split {
  const episodes = [...new Set(t.episode)];
  if (episodes.length === 1) {
    const end = Math.floor(t.count * (1 - share));
    const resume = Math.min(t.count, end + (t.stride ?? 1));
    const range = (from: number, to: number) =>
      Int32Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
    return { train: range(0, end), heldOut: range(resume, t.count), heldOutEpisodes: 1 };
  }
  const count = Math.min(episodes.length - 1, Math.max(1, Math.round(share * episodes.length)));
  const out = new Set(
    Array.from({ length: count }, (_, i) => episodes[Math.floor(((i + 0.5) * episodes.length) / count)]),
  );
  const rows = Int32Array.from({ length: t.count }, (_, i) => i);
  return {
    train: rows.filter((i) => !out.has(t.episode[i])),
    heldOut: rows.filter((i) => out.has(t.episode[i])),
    heldOutEpisodes: out.size,
  };
}
