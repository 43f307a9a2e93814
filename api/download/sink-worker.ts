import {parentPort, workerData} from 'node:worker_threads';
import {HashingFile} from './hashing-file.ts';
import type {SinkMessage, SinkReply, SinkStart} from './threaded-sink.ts';

/** The thread of a `ThreadedSink`: hashes and writes what lies in the buffers that it shares with the main thread. */
const {path, start, algorithms, slots} = workerData as SinkStart;
let file: HashingFile | undefined;

function handle(message: SinkMessage): SinkReply {
  switch (message.type) {
    case 'open':
      file = new HashingFile(path, start, algorithms);
      return {type: 'open'};
    case 'write': {
      const slot = slots[message.slot];
      if (slot !== undefined) file?.write(new Uint8Array(slot, 0, message.length));
      return {type: 'free', slot: message.slot};
    }
    case 'finish':
      if (file === undefined) throw new Error('nothing is open');
      return {type: 'finished', digests: file.finish()};
    case 'abandon':
      file?.close();
      return {type: 'abandoned'};
  }
}

parentPort?.on('message', (message: SinkMessage) => {
  let reply: SinkReply;
  try {
    reply = handle(message);
  } catch (error) {
    const {message: text, code} = error as NodeJS.ErrnoException;
    reply = {type: 'failed', message: text, code};
  }
  parentPort?.postMessage(reply);
});
