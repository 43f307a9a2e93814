/**
 * Runs a bench that stops when its signal is aborted, which Ctrl-C and SIGTERM do, so that it can remove its volumes.
 * The second Ctrl-C ends it at once, as without.
 */
export async function untilInterrupted(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = () => {
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
    process.stderr.write('stopping, and removing what was made\n');
    controller.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    await main(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    process.exitCode = 130;
  } finally {
    process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
  }
}
