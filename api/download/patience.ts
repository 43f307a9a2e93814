/** How long downloads go on in spite of failures. */
export interface Patience {
  /** Milliseconds without a byte until a connection counts as lost. */
  readonly stallMs: number;
  /** The first pause; doubled each time, and varied, so that clients that failed together do not come back together. */
  readonly firstPauseMs: number;
  readonly mostPauseMs: number;
  /** Rounds over all addresses in a row that brought no byte. */
  readonly fruitlessRounds: number;
  /** For one file: pauses in total, also those that servers ask for. */
  readonly mostWaitMs: number;
}

export const defaultPatience: Patience = {
  stallMs: 60_000,
  firstPauseMs: 500,
  mostPauseMs: 30_000,
  fruitlessRounds: 5,
  mostWaitMs: 600_000,
};
