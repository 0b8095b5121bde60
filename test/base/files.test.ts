import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { requireOutput, writeInPlace, writeWhole } from '../../lib/base/files.js';
import { openData } from '../../lib/data/open.js';
import { writeSamples } from '../../lib/data/write/samples.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);

describe('an output is never written onto', () => {
  test('an input, or a file of an input folder', () => {
    writeFileSync(file('in.npz'), 'x');
    mkdirSync(file('set/meta'), { recursive: true });
    writeFileSync(file('set/meta/info.json'), 'x');
    symlinkSync(file('in.npz'), file('alias.npz'));
    expect(() => requireOutput(file('in.npz'), [file('in.npz')])).toThrow(/it is the input itself/);
    expect(() => requireOutput(file('in.npz'), [file('alias.npz')])).toThrow(/it is the input itself/);
    expect(() => requireOutput(file('set/meta/info.json'), [file('set')])).toThrow(
      /it is a file of the input/,
    );
    expect(() => requireOutput(file('set/new.json'), [file('set')])).not.toThrow();
    expect(() => requireOutput(file('in.npz'), [file('absent')])).not.toThrow();
  });

  test.skipIf(process.platform === 'win32')('a symbolic link, a pipe, a device, a folder', async () => {
    writeFileSync(file('target'), 'before');
    symlinkSync(file('target'), file('link'));
    spawnSync('mkfifo', [file('pipe')]);
    for (const [path, why] of [
      [file('link'), /symbolic link/],
      [file('pipe'), /a device, a pipe or a socket/],
      ['/dev/null', /a device, a pipe or a socket/],
      [folder, /it is a folder/],
    ] as const) {
      await expect(writeInPlace(path, async () => {})).rejects.toThrow(why);
      await expect(writeWhole(join(path, '..'), { [path.split('/').at(-1) as string]: 'x' })).rejects.toThrow(
        why,
      );
    }
    expect(readFileSync(file('target'), 'utf8')).toBe('before');
    expect(statSync(file('pipe')).isFIFO()).toBe(true);
  });
});

describe('files are whole or not there', () => {
  test('two writers of one name: one of the two files, and both calls end well', async () => {
    const path = file('same.npz');
    const writers = [24, 40].map((observationDim) =>
      writeSamples({ observationDim, seed: 1 }, path, { samples: 4000 }),
    );
    await Promise.all(writers);
    const { count, observationDim } = await openData(path);
    expect(count).toBe(4000);
    expect([24, 40]).toContain(observationDim);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('a failure leaves what was there, and nothing beside it', async () => {
    writeFileSync(file('kept'), 'before');
    const failing = writeInPlace(file('kept'), async (partial) => {
      writeFileSync(partial, 'half');
      throw new Error('stopped');
    });
    await expect(failing).rejects.toThrow('stopped');
    expect(readFileSync(file('kept'), 'utf8')).toBe('before');
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('a set is exchanged as a whole; what the user keeps beside it stays', async () => {
    const set = (text: string) => ({ 'results.json': text, 'index.html': text, 'tables/a.csv': text });
    const out = file('set-out');
    await writeWhole(out, set('one'));
    const before = statSync(out).ino;
    await writeWhole(out, set('two'));
    // Another folder in its place: there was no moment at which it held files of both.
    expect(statSync(out).ino).not.toBe(before);
    expect(readFileSync(join(out, 'tables/a.csv'), 'utf8')).toBe('two');
    writeFileSync(join(out, 'notes.txt'), 'mine');
    await writeWhole(out, set('three'));
    expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('mine');
    expect(readFileSync(join(out, 'index.html'), 'utf8')).toBe('three');
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    expect(existsSync(join(out, 'results.json'))).toBe(true);
  });
});
