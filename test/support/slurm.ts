import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'squeue', 'scontrol', 'munged'];

/** Why a cluster cannot be started here; null where it can. */
export function whyNoSlurm(): string | null {
  const missing = PROGRAMS.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (Debian: slurmctld slurmd slurm-client munge)`;
  return process.getuid?.() === 0 ? null : 'slurmd starts tasks as other users, which takes root';
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A Slurm cluster of two nodes with a core each on this machine's loopback, with everything it needs in a folder of its own. */
export class Slurm {
  private readonly daemons: ChildProcess[] = [];
  private constructor(
    readonly folder: string,
    readonly environment: NodeJS.ProcessEnv,
  ) {}

  static async start(): Promise<Slurm> {
    const folder = mkdtempSync(join(tmpdir(), 'exolam-slurm-'));
    // munged wants to be sure that nobody else can exchange its key.
    for (const name of ['state', 'spool', 'log']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'munge.key'), randomBytes(1024), { mode: 0o400 });
    spawnSync('chmod', ['755', folder]);
    const conf = join(folder, 'slurm.conf');
    const [control, ...nodes] = await Promise.all([freePort(), freePort(), freePort()]);
    const at = (name: string) => join(folder, name);
    writeFileSync(
      conf,
      `ClusterName=exolam
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${control}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${at('munge.sock')}
CredType=cred/munge
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool')}/%n
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('slurmd')}-%n.pid
SlurmctldLogFile=${at('log/slurmctld.log')}
SlurmdLogFile=${at('log/slurmd')}-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
${['one', 'two'].map((name, i) => `NodeName=${name} NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${nodes[i]} CPUs=1\n`).join('')}PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP
`,
    );
    const slurm = new Slurm(folder, { ...process.env, SLURM_CONF: conf });
    slurm.daemon('munged', [
      '--foreground',
      `--socket=${at('munge.sock')}`,
      `--key-file=${at('munge.key')}`,
      `--pid-file=${at('munge.pid')}`,
      `--log-file=${at('log/munge.log')}`,
      `--seed-file=${at('munge.seed')}`,
    ]);
    await slurm.until(() => spawnSync('test', ['-S', at('munge.sock')]).status === 0, 'munged');
    slurm.daemon('slurmctld', ['-D']);
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, 'spool', name));
      slurm.daemon('slurmd', ['-D', '-N', name]);
    }
    await slurm.until(
      () => /^2 /m.test(slurm.try('sinfo', '-h', '-t', 'idle', '-o', '%D %T')),
      'two idle nodes',
    );
    return slurm;
  }

  private daemon(program: string, args: readonly string[]): void {
    this.daemons.push(spawn(program, args, { env: this.environment, stdio: 'ignore' }));
  }

  /** What a command of Slurm prints. */
  ask(program: string, ...args: string[]): string {
    return execFileSync(program, args, {
      env: this.environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  private try(program: string, ...args: string[]): string {
    try {
      return this.ask(program, ...args);
    } catch {
      return '';
    }
  }

  async until(holds: () => boolean, what: string, seconds = 60): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (!holds()) {
      if (performance.now() > end) {
        const log = spawnSync('tail', ['-n', '20', join(this.folder, 'log/slurmctld.log')], {
          encoding: 'utf8',
        });
        throw new Error(`no ${what} after ${seconds} s\n${log.stdout}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    // Tasks outlive the daemons of their nodes.
    this.try('scancel', '--user=root');
    await this.until(() => this.try('squeue', '-h').trim() === '', 'end of all tasks').catch(() => {});
    const ended = this.daemons.map(
      (daemon) =>
        new Promise((resolve) => (daemon.exitCode === null ? daemon.once('exit', resolve) : resolve(0))),
    );
    // The nodes first: their tasks end with them.
    for (const daemon of this.daemons.slice().reverse()) daemon.kill('SIGTERM');
    const killer = setTimeout(() => {
      for (const daemon of this.daemons) daemon.kill('SIGKILL');
    }, 5000);
    await Promise.all(ended);
    clearTimeout(killer);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The process of a task, by the shard that its command line names. */
export function pidOfTask(out: string, environment: string): number | undefined {
  const found = spawnSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).stdout.split('\n');
  for (const line of found) {
    const [, pid = ''] = /^\s*(\d+) .*cli\.mjs sweep /.exec(line) ?? [];
    if (!pid || !line.includes(out)) continue;
    try {
      if (readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(environment)) return Number(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}
