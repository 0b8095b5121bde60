import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Kinds of data that are not read, and the Python that makes arrays o, a and ends of each. */
const KINDS: readonly (readonly [name: RegExp, what: string, lines: string])[] = [
  [
    /\.(pt|pth|ckpt)$/i,
    'PyTorch',
    'd = torch.load(PATH, weights_only=False); o, a = (torch.cat(list(d[k])).float().numpy() for k in ("observations", "actions")); ' +
      'ends = numpy.cumsum([len(x) for x in d["actions"]])',
  ],
  [
    /\.(pkl|pickle)(\.gz)?$/i,
    'a pickle, which can run any code when it is read',
    'd = pickle.load(open(PATH, "rb")); o, a = (numpy.concatenate([e[k] for e in d]) for k in ("observations", "actions")); ' +
      'ends = numpy.cumsum([len(e["actions"]) for e in d])',
  ],
  [
    /\.tfrecord|^dataset_info\.json$/i,
    'TensorFlow records (RLDS)',
    'eps = [list(e["steps"].as_numpy_iterator()) for e in tfds.builder_from_directory(PATH).as_dataset(split="all")]; ' +
      'o = numpy.array([s["observation"]["state"] for e in eps for s in e]); a = numpy.array([s["action"] for e in eps for s in e]); ' +
      'ends = numpy.cumsum([len(e) for e in eps])',
  ],
  [
    /\.(arrow|feather)$/i,
    'Arrow',
    'd = datasets.load_from_disk(PATH).with_format("numpy"); o, a, e = d["observation.state"], d["action"], d["episode_index"]; ' +
      'ends = numpy.append(numpy.flatnonzero(numpy.diff(e)) + 1, len(e))',
  ],
  [
    /\.mat$/i,
    'MATLAB',
    'd = scipy.io.loadmat(PATH); o, a = d["observations"], d["actions"]; ends = [len(o)]',
  ],
  [
    /\.zarr\.zip$/i,
    'a zarr store in a zip archive, which is read once it is unpacked',
    'd = zarr.open(PATH, mode="r"); o, a, ends = d["data/state"][:], d["data/action"][:], d["meta/episode_ends"][:]',
  ],
];

const ANY =
  'with o (T, d) and a (T, da) the rows of all episodes one below the other, and ends the row after each one';
const SAVE = 'numpy.savez("data.npz", observations=o, actions=a, episode_ends=ends)';

/** What to do with data of a kind that is not read: the Python that writes an .npz of it. */
export async function conversion(path: string): Promise<string> {
  const names = [path.split(/[\\/]/).at(-1) ?? ''];
  if ((await stat(path)).isDirectory()) {
    names.push(...(await readdir(path)));
    // Data sets of TensorFlow keep their records in a folder for each version.
    for (const name of names.slice(1, 20)) names.push(...(await readdir(join(path, name)).catch(() => [])));
  }
  const found = KINDS.find(([pattern]) => names.some((name) => pattern.test(name)));
  if (!found) return `Other data becomes an .npz in one line of Python: ${SAVE}, ${ANY}`;
  const [, what, lines] = found;
  return `It looks like ${what}; in Python: ${lines.replaceAll('PATH', JSON.stringify(path))}; ${SAVE}, ${ANY}`;
}
