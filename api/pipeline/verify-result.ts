import type {Difference} from '../disk/difference.ts';
import type {BuildOptions} from '../options.ts';

export interface VerifyOptions extends BuildOptions {
  /**
   * A `build.json`, or a folder with one: what the artifacts should be. By default that of the target, and without one
   * the newest entries of the volume.
   */
  readonly against?: string;
  /** Keep the volume of the second build. */
  readonly keep?: boolean;
}

/** An artifact of both builds, or of one of them. */
export interface VerifiedArtifact {
  readonly step: string;
  readonly name: string;
  /** `absent`: the second build did not make it. `new`: only the second build made it. */
  readonly status: 'same' | 'different' | 'absent' | 'new';
  /** Hex SHA-256 of the first and of the second build's file. */
  readonly before?: string;
  readonly after?: string;
  /** Another artifact or step whose difference explains this one. */
  readonly because?: string;
  /** Where it differs, first difference first; empty when `because` or `note` says why. */
  readonly differences: readonly Difference[];
  /** There are more differences than these. */
  readonly more: boolean;
  /** Why there are no places. */
  readonly note?: string;
}

/** What the two builds of a step were made from, where that differs. */
export interface ChangedInputs {
  readonly step: string;
  /** One sentence each. */
  readonly reasons: readonly string[];
}

export interface VerifyResult {
  /** What was compared with, for people. */
  readonly reference: string;
  readonly identical: boolean;
  /** In graph order. */
  readonly artifacts: readonly VerifiedArtifact[];
  /** Steps that were not built from the same things: their artifacts may differ. */
  readonly changedInputs: readonly ChangedInputs[];
  /** The volume of the second build, when it was kept. */
  readonly volume?: string;
  readonly durationMs: number;
}
