import { ExolamError } from '../base/errors.js';
import { ranges } from './names.js';

/** Notes beyond these say how many more there are. */
const MOST_NOTES = 5;

/** Episodes that cannot be read, and why: they do not refuse the data set, unless `strict` asks for that. */
export class LeftOut {
  private readonly reasons = new Map<number, string>();

  constructor(
    private readonly folder: string,
    private readonly strict: boolean,
  ) {}

  add(episode: number, reason: string): void {
    if (this.strict)
      throw new ExolamError(
        'data',
        `${this.folder}: episode ${episode} cannot be read, and --strict asks for all: ${reason}`,
      );
    if (!this.reasons.has(episode)) this.reasons.set(episode, reason);
  }

  has(episode: number): boolean {
    return this.reasons.has(episode);
  }

  get size(): number {
    return this.reasons.size;
  }

  /** Every episode is left out: the first reason says why. */
  error(): ExolamError {
    const [[episode, reason] = [0, 'nothing is listed']] = this.reasons;
    const all = this.reasons.size > 1 ? `none of the ${this.reasons.size} episodes can be read; ` : '';
    return new ExolamError('data', `${this.folder}: ${all}episode ${episode}: ${reason}`);
  }

  /** A sentence for each reason, with the episodes that it holds for. */
  notes(): string[] {
    const byReason = new Map<string, number[]>();
    for (const [episode, reason] of this.reasons) {
      const same = byReason.get(reason);
      if (same) same.push(episode);
      else byReason.set(reason, [episode]);
    }
    const all = [...byReason].map(([reason, episodes]) => {
      const which = episodes.length === 1 ? 'episode' : 'episodes';
      const list = ranges(episodes.sort((a, b) => a - b));
      return `${which} ${list} ${episodes.length === 1 ? 'is' : 'are'} left out: ${reason}`;
    });
    const more = all.length - MOST_NOTES;
    return more > 0
      ? [...all.slice(0, MOST_NOTES), `${more} more episodes are left out for other reasons`]
      : all;
  }
}
