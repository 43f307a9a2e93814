import {createHash} from 'node:crypto';

/** What an engine says of an image, as far as it is part of the image. Empty fields may be absent or null. */
export interface InspectedImage {
  readonly Os: string;
  readonly Architecture: string;
  readonly RootFS?: {readonly Layers?: readonly string[] | null | undefined} | null | undefined;
  readonly Config?: InspectedConfig | null | undefined;
}

interface InspectedConfig {
  readonly Env?: readonly string[] | null | undefined;
  readonly Entrypoint?: string | readonly string[] | null | undefined;
  readonly Cmd?: readonly string[] | null | undefined;
  readonly WorkingDir?: string | null | undefined;
  readonly User?: string | null | undefined;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
}

/**
 * Hex digest over what an image is: its layers, and what a container of it is told. The same in every engine, unlike
 * the id, which is the digest of the configuration in one kind of engine and of a manifest in the other.
 */
export function imageContent({Os, Architecture, RootFS, Config}: InspectedImage): string {
  const {Env, Entrypoint, Cmd, WorkingDir, User, Labels} = Config ?? {};
  const labels = Object.entries(Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const told = [Env ?? [], Entrypoint ?? [], Cmd ?? [], WorkingDir ?? '', User ?? '', labels];
  return createHash('sha256')
    .update(JSON.stringify([Os, Architecture, RootFS?.Layers ?? [], told]))
    .digest('hex');
}
