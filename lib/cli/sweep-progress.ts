import cliProgress from 'cli-progress';
import type { Shell } from './run.js';

/** How often a line or the bar is drawn, in milliseconds. */
const EVERY = 1000;

/** Progress of a sweep on stderr: a bar where someone is looking, or a line of JSON a second for a program. */
export class SweepProgress {
  private readonly began = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private bar: cliProgress.SingleBar | undefined;
  private first: number | undefined;
  private done = 0;
  private total = 0;

  constructor(
    shell: Shell,
    private readonly how: 'bar' | 'json' | 'none',
    private readonly threads: number,
  ) {
    if (how === 'none' || (how === 'bar' && !shell.interactive)) return;
    this.timer = setInterval(() => this.draw(), EVERY);
    this.timer.unref();
  }

  readonly update = (done: number, total: number): void => {
    // What was there before this run says nothing about its rate.
    this.first ??= done;
    this.done = done;
    this.total = total;
  };

  /** The last state of things, whatever was drawn before. */
  end(): void {
    clearInterval(this.timer);
    if (this.how === 'json') this.draw();
    this.bar?.stop();
  }

  private draw(): void {
    if (this.total === 0) return;
    const seconds = (performance.now() - this.began) / 1e3;
    const rate = (this.done - (this.first ?? 0)) / seconds;
    const eta = rate > 0 ? (this.total - this.done) / rate : null;
    if (this.how === 'json') {
      const state = {
        done: this.done,
        total: this.total,
        rate: Math.round(rate),
        etaSeconds: eta === null ? null : Math.round(eta),
        threads: this.threads,
      };
      process.stderr.write(`${JSON.stringify(state)}\n`);
      return;
    }
    if (!this.bar) {
      this.bar = new cliProgress.SingleBar({
        format: `{bar} {percentage} % | {value} of {total} points | {rate}/s | ETA {left} | {threads} threads`,
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: true,
      });
      this.bar.start(this.total, this.done);
    }
    this.bar.update(this.done, {
      rate: Math.round(rate),
      left: eta === null ? '?' : `${Math.round(eta)} s`,
      threads: this.threads,
    });
  }
}
