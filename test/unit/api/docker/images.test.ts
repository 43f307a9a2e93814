import Docker from 'dockerode';
import type {ServerResponse} from 'node:http';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {DockerImages, ImageOperationError, splitReference} from '../../../../api/docker/images.ts';
import {writeTar} from '../../../../api/docker/tar.ts';
import {json, listenOnSocket, type Answer} from './fake-engine.ts';

async function imagesOf(answers: Readonly<Record<string, Answer>>): Promise<DockerImages> {
  const address = await listenOnSocket(answers);
  return new DockerImages(new Docker({socketPath: address.slice('unix://'.length)}));
}

/** An engine that answers a build with these pieces, each in a write of its own. */
const answerInPieces =
  (
    pieces: readonly (string | Buffer)[],
    end: (response: ServerResponse) => void = (response) => void response.end(),
  ): Answer =>
  (request, response) => {
    request.resume().once('end', () => {
      response.setHeader('Content-Type', 'application/json');
      void (async () => {
        for (const piece of pieces) {
          response.write(piece);
          // So that the pieces arrive one by one.
          await new Promise((resolve) => setImmediate(resolve));
        }
        end(response);
      })();
    });
  };

async function build(pieces: readonly (string | Buffer)[], end?: (response: ServerResponse) => void) {
  const images = await imagesOf({'POST /build': answerInPieces(pieces, end)});
  const lines: string[] = [];
  const context = await writeTar([{name: 'Dockerfile', content: Buffer.from('FROM scratch')}]);
  const outcome = await images
    .build({context, tag: 'a:b', onLine: (line) => lines.push(line)})
    .catch((error: unknown) => error);
  return {lines, outcome};
}

const line = (message: object) => `${JSON.stringify(message)}\r\n`;

describe('a build', () => {
  it('succeeds when its stream says nothing of an error, and prints what the stream says', async () => {
    const {lines, outcome} = await build([
      line({stream: 'Step 1/2 : FROM '}) + line({stream: 'scratch\n'}),
      line({status: 'Pulling'}),
      line({aux: {ID: 'sha256:1'}}),
      line({stream: '\n'}),
      line({stream: 'two\nthree'}),
    ]);
    expect(outcome).toBeUndefined();
    expect(lines).toEqual(['Step 1/2 : FROM scratch', 'Pulling', 'two', 'three']);
  });

  it('fails when its stream ends, as any other, with errorDetail', async () => {
    const message = "The command '/bin/sh -c false' returned a non-zero code: 1";
    const {outcome} = await build([
      line({stream: 'E: no package\n'}),
      line({errorDetail: {code: 1, message}, error: message}),
    ]);
    expect(outcome).toBeInstanceOf(ImageOperationError);
    expect(outcome).toMatchObject({message, tail: ['E: no package']});
  });

  it.each([
    [{error: 'only error'}, 'only error'],
    [{errorDetail: {}}, 'unknown error'],
  ])('fails for %j', async (last, message) => {
    expect((await build([line(last)])).outcome).toMatchObject({name: 'ImageOperationError', message});
  });

  it('fails also when the last line has no end', async () => {
    expect((await build(['{"errorDetail":{"message":"x"}}'])).outcome).toMatchObject({message: 'x'});
  });

  it('keeps the last 40 lines for the error', async () => {
    const said = Array.from({length: 100}, (_, i) => line({stream: `line ${i}\n`}));
    const {outcome, lines} = await build([...said, line({error: 'x'})]);
    expect((outcome as ImageOperationError).tail).toEqual(
      Array.from({length: 40}, (_, i) => `line ${i + 60}`),
    );
    expect(lines).toHaveLength(100);
  });

  it('is read the same in any pieces, also within a character', async () => {
    const stream = Buffer.from(line({stream: 'ä€🏴\n'}) + line({stream: 'b\n'}) + line({error: 'ü'}));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(stream.length), {maxLength: 6}), async (at) => {
        const places = [0, ...at.toSorted((a, b) => a - b), stream.length];
        const {lines, outcome} = await build(
          places.slice(1).map((end, i) => stream.subarray(places[i], end)),
        );
        expect(lines).toEqual(['ä€🏴', 'b']);
        expect(outcome).toMatchObject({message: 'ü'});
      }),
      {numRuns: 15},
    );
  });

  it('takes a message of any length in any pieces', async () => {
    // 32 KiB of output, each byte of which JSON writes as six.
    const message = line({stream: '\u0001'.repeat(32_768) + '\n'});
    const pieces = Array.from({length: 20}, (_, i) => message.slice(i * 10_000, (i + 1) * 10_000));
    const {lines, outcome} = await build([...pieces, line({error: 'x'})]);
    expect(lines).toEqual(['\u0001'.repeat(32_768)]);
    expect(outcome).toMatchObject({message: 'x'});
  });

  it('fails when the engine goes away in the middle', async () => {
    const {outcome} = await build([line({stream: 'a\n'})], (response) => void response.destroy());
    expect(outcome).toMatchObject({code: 'ECONNRESET'});
  });

  it('stops when the user does', async () => {
    const controller = new AbortController();
    const images = await imagesOf({
      'POST /build': answerInPieces([line({stream: 'a\n'})], () => controller.abort()),
    });
    await expect(
      images.build({context: await writeTar([]), tag: 'a:b', signal: controller.signal}),
    ).rejects.toThrow();
  });

  it('sends the context, the name, the arguments and the labels', async () => {
    let url = '';
    const received: Buffer[] = [];
    const images = await imagesOf({
      'POST /build': (request, response) => {
        url = decodeURIComponent(request.url ?? '');
        request.on('data', (chunk: Buffer) => received.push(chunk)).once('end', () => void response.end());
      },
    });
    const context = await writeTar([{name: 'Dockerfile', content: Buffer.from('FROM scratch')}]);
    await images.build({context, tag: 'a:b', buildArguments: {FROM: 'x'}, labels: {image: 'y'}});
    expect(Buffer.concat(received)).toEqual(context);
    expect(url).toContain('t=a:b');
    expect(url).toContain('buildargs={"FROM":"x"}');
    expect(url).toContain('labels={"image":"y"}');
  });
});

describe('images', () => {
  const engineError =
    (status: number): Answer =>
    (_request, response) =>
      void response.writeHead(status, {'Content-Type': 'application/json'}).end('{"message": "no"}');

  it('are found, or are not', async () => {
    const images = await imagesOf({
      'GET /images/a:b/json': json({
        Id: 'sha256:1',
        RepoTags: ['a:b'],
        Size: 5,
        Architecture: 'amd64',
        Config: {Labels: {x: 'y'}},
      }),
      'GET /images/none:1/json': json({
        Id: 'sha256:2',
        Size: 5,
        Architecture: 'amd64',
        Config: {Labels: null},
      }),
      'GET /images/broken:1/json': engineError(500),
    });
    expect(await images.find('a:b')).toEqual({
      id: 'sha256:1',
      content: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      tags: ['a:b'],
      labels: {x: 'y'},
      sizeBytes: 5,
      architecture: 'amd64',
    });
    expect((await images.find('none:1'))?.labels).toEqual({});
    expect(await images.find('unknown:1')).toBeUndefined();
    await expect(images.find('broken:1')).rejects.toThrow('no');
  });

  it('are removed, unless they are in use or not there', async () => {
    const images = await imagesOf({
      'DELETE /images/a': json([]),
      'DELETE /images/used': engineError(409),
      'DELETE /images/broken': engineError(500),
    });
    expect(await images.remove('a')).toBe(true);
    expect(await images.remove('used')).toBe(false);
    expect(await images.remove('unknown')).toBe(false);
    await expect(images.remove('broken')).rejects.toThrow('no');
  });

  it('cannot be pulled when the stream says so', async () => {
    const pieces = [
      line({status: 'Pulling from library/debian'}),
      line({errorDetail: {message: 'toomanyrequests'}}),
    ];
    const images = await imagesOf({'POST /images/create': answerInPieces(pieces)});
    await expect(images.pull('debian:trixie')).rejects.toThrow(
      expect.objectContaining({message: 'toomanyrequests', tail: ['Pulling from library/debian']}) as Error,
    );
  });
});

describe('splitReference', () => {
  it.each([
    ['debian', 'debian', 'latest'],
    ['debian:trixie', 'debian', 'trixie'],
    ['registry:5000/name', 'registry:5000/name', 'latest'],
    ['registry:5000/name:tag', 'registry:5000/name', 'tag'],
    ['registry.test/a/b/c:1.0-x', 'registry.test/a/b/c', '1.0-x'],
    ['localhost/x', 'localhost/x', 'latest'],
  ])('%s is %s and %s', (reference, repository, tag) => {
    expect(splitReference(reference)).toEqual({repository, tag});
  });
});
