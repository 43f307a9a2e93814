#!/usr/bin/env node
import {createContext} from './context.ts';
import {ExitCode} from './exit-code.ts';
import {runCli} from './run-cli.ts';

const context = createContext();

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader is gone (`| head`, a closed terminal): there is nobody to tell, and no reason to go on.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    context.interrupt.stopQuietly();
  });
}

process.on('uncaughtException', (error) => {
  // Nothing can be said about the state of the process any more, so it ends here and not when it is idle.
  void import('./print-error.ts')
    .then(({printError}) => printError(error, context))
    .catch(() => process.stderr.write(`${error.stack ?? String(error)}\n`))
    .finally(() => process.exit(ExitCode.Failed));
});

await runCli(process.argv.slice(2), context);
