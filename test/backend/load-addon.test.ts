import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/load-addon.js';
import { ExolamError } from '../../lib/base/errors.js';

describe('the loader of the addon', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'exolam-native-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const failure = (): unknown => {
    try {
      return loadAddon(folder);
    } catch (error) {
      return error;
    }
  };

  it('loads what was built here', () => {
    expect(loadAddon().info().threads).toBeGreaterThan(0);
  });

  it('without any binary says for which machine, what is shipped, and how to build', () => {
    mkdirSync(join(folder, 'prebuilds', 'plan9-mips'), { recursive: true });
    const error = failure();
    expect(error).toBeInstanceOf(ExolamError);
    const { kind, message, cause } = error as ExolamError;
    expect(kind).toBe('unsupported');
    expect(message).toContain(`platform ${process.platform}, architecture ${process.arch}`);
    if (process.platform === 'linux') expect(message).toMatch(/glibc|musl/);
    expect(message).toContain('shipped for plan9-mips');
    expect(message).toContain('npx exolam build-addon');
    expect(cause).toBeInstanceOf(Error);
    expect(message).not.toContain('\n');
  });

  it('of a binary that the system refuses says so', () => {
    mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
    writeFileSync(join(folder, 'build', 'Release', 'exolam.node'), 'not a shared object');
    const error = failure();
    expect(error).toBeInstanceOf(ExolamError);
    expect((error as ExolamError).message).toMatch(/^The system refused the binary \(.+\): platform/);
    expect((error as ExolamError).message).toContain('no prebuilt binaries shipped');
  });

  it('lets a fault that it does not know pass through', () => {
    expect(() => loadAddon(42 as unknown as string)).toThrow(TypeError);
  });
});
