/** An importer: which files are its own, and how they become graphs. `import_model.ts` lists them all. */
import { fail, type Location } from '../../diagnostics/index.ts';
import type { ExternalReader } from '../../formats/onnx/index.ts';
import type { Graph, Shape } from '../../ir/index.ts';

import type { StateOption } from './state_option.ts';

/** All that an importer is told beside the bytes; each takes what its files need. */
export interface ImportSource {
  /** The path, for messages. */
  readonly file?: string;
  /** Reads a range of a file beside the model. */
  readonly readExternal?: ExternalReader;
  /**
   * Shapes of inputs by name, sizes may be symbols. TorchScript archives may need them: they have none of their own. In ONNX
   * models they bind symbolic dimensions.
   */
  readonly inputShapes?: Readonly<Record<string, Shape>>;
  /**
   * The treatment of state: stored tensors of PyTorch and variables of TensorFlow Lite that a call changes and the next one reads.
   * `refuse` by default; `inputs-and-outputs` makes an input `h` of each, and an output `h.next` of its new value.
   */
  readonly state?: StateOption;
}

interface Format<P extends string> {
  readonly kind: string;
  /** Continues "the profile is not one for". */
  readonly files: string;
  /** Whose arithmetic its quantized operators may follow. */
  readonly profiles: readonly P[];
  /** Files have no shapes of their own: those of the inputs are asked for. */
  readonly takesShapes: boolean;
  /** True for bytes that begin as its files do. */
  recognizes(bytes: Uint8Array): boolean;
  import(bytes: Uint8Array, source: ImportSource & { readonly profile?: P }): Graph | Promise<Graph>;
}

/** @throws UnskewError U4002 for a profile that is not one of its own */
export interface Importer<K extends string = string> extends Format<string> {
  readonly kind: K;
}

export function defineImporter<K extends string, P extends string>(
  format: Format<P> & { readonly kind: K },
): Importer<K> {
  const { files, profiles } = format;
  return {
    ...format,
    import(bytes, { profile, ...source }) {
      if (profile === undefined) return format.import(bytes, source);
      const known = profiles.find((name) => name === profile);
      if (known !== undefined) return format.import(bytes, { ...source, profile: known });
      const where: Location = source.file === undefined ? {} : { file: source.file };
      const hint = `one of: ${profiles.join(', ')}`;
      return fail('U4002', `the profile '${profile}' is not one for ${files}`, where, hint);
    },
  };
}
