/** Estimates as text: never more digits than the interval carries, and what is not measurable says why. */

/** What is told of an estimate. */
export interface Told {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly training: number | null;
  readonly reason: string | null;
}

export const isMeasurable = <E extends Told>(e: E | undefined): e is E =>
  e !== undefined && e.reason === null;

/** Decimals of a share that its interval carries: two significant digits of the interval's width. */
export function decimals({ low, high }: Told): number {
  const width = (high ?? 0) - (low ?? 0);
  return width > 0 ? Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(width)))) : 3;
}

/** A number without the sign of "-0.00". */
const plain = (text: string) => text.replace(/^-(?=0(\.0+)?$)/, '');
const share = (value: number | null, places: number) => plain((value ?? Number.NaN).toFixed(places));
const hundredths = (value: number | null, places: number) =>
  plain((100 * (value ?? Number.NaN)).toFixed(places - 2));

/** "25 % (95 %: 14 to 35 %)" */
export function percentOf(e: Told): string {
  if (e.reason !== null) return `not measurable (${e.reason})`;
  const places = decimals(e);
  return `${hundredths(e.value, places)} % (95 %: ${hundredths(e.low, places)} to ${hundredths(e.high, places)} %)`;
}

/** An exact share as a percentage of three digits; what is left of a zero by rounding is not told digit by digit. */
export function exactPercent(share: number): string {
  if (share !== 0 && Math.abs(share) < 1e-4) return 'less than 0.01 %';
  return `${Number((100 * share).toPrecision(3))} %`;
}

/** "in training 30 %", to the precision of the interval, or to whole percents; empty where there is none. */
export function trainingOf(e: Told): string {
  if (e.training === null || !Number.isFinite(e.training)) return '';
  return e.reason !== null
    ? `in training ${hundredths(e.training, 2)} %`
    : `in training ${hundredths(e.training, decimals(e))} %`;
}

/** "0.25 (0.14 to 0.35)", the cell of a table. */
export function shareOf(e: Told | undefined): string {
  if (e === undefined) return '';
  if (e.reason !== null) return 'not measurable';
  const places = decimals(e);
  return `${share(e.value, places)} (${share(e.low, places)} to ${share(e.high, places)})`;
}

/** A number this uncertain has one digit that counts: "about 40". */
export function about(n: number): string {
  if (!(n <= 1e6)) return 'more than a million';
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(n)));
  return `about ${Math.ceil(n / unit) * unit}`;
}
