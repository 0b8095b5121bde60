/** "8", "1,2,4", "1:16" or "-2:2" as a list of whole numbers; null where the text is none of these. */
export function wholeNumbers(text: string): number[] | null {
  const numbers = text.split(',').flatMap((part) => {
    const range = /^\s*(-?\d{1,6})(?::(-?\d{1,6}))?\s*$/.exec(part);
    if (!range) return [Number.NaN];
    const [from, to] = [Number(range[1]), Number(range[2] ?? range[1])];
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  });
  return numbers.length > 0 && !numbers.some(Number.isNaN) ? numbers : null;
}

/** A number as one, several as a list; other text stays as it is, for the schema of the call to refuse. */
export function oneOrSeveral(text: string): number | number[] | string {
  const numbers = /[,:]/.test(text) ? wholeNumbers(text) : null;
  if (numbers) return new Set(numbers).size === 1 ? numbers[0] : numbers;
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}
