import cliProgress from 'cli-progress';
import type { Shell } from './run.js';

/** Nothing is drawn for work that ends before this, in milliseconds. */
const PATIENCE = 1000;

/** A bar with ETA on stderr, only where someone is looking and only for work that takes a while. */
export class Progress {
  private bar: cliProgress.SingleBar | undefined;
  private started = Date.now();
  private news = '';

  constructor(private readonly shell: Shell) {}

  /** Reports `done` of `total` for one named piece of work, e.g. onProgress of a call. */
  readonly of =
    (what: string) =>
    (done: number, total: number): void => {
      if (!this.shell.interactive || total <= 0) return;
      if (!this.bar && Date.now() - this.started > PATIENCE && done < total) {
        this.bar = new cliProgress.SingleBar({
          format: `${what} {bar} {percentage} % | ETA {eta_formatted}{news}`,
          stream: process.stderr,
          hideCursor: true,
          clearOnComplete: true,
          etaBuffer: 50,
        });
        this.bar.start(1000, 0, { news: this.news });
      }
      this.bar?.update(Math.round((1000 * done) / total), { news: this.news });
      if (done >= total) this.end();
    };

  /** A few words that stand behind the bar from now on, such as the loss. */
  tell(words: string): void {
    this.news = ` | ${words}`;
  }

  end(): void {
    this.bar?.stop();
    this.bar = undefined;
    this.started = Date.now();
  }
}
