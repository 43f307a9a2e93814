import {randomBytes} from 'node:crypto';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {parseRepository} from '../../../../api/registry/repository-name.ts';
import {ArtifactRepository} from '../../../../api/registry/artifact-repository.ts';
import {digestOf} from '../../../../api/registry/manifest.ts';
import {WritableRegistry} from './writable-registry.ts';

const content = randomBytes(100_000);
const digest = digestOf(content);
const pieceBytes = 30_000;

let registry: WritableRegistry;
let repository: ArtifactRepository;
beforeEach(async () => {
  registry = await WritableRegistry.start();
  repository = connect();
});
afterEach(async () => {
  await repository[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

function connect(credentials?: {username: string; password: string}): ArtifactRepository {
  return new ArtifactRepository(parseRepository(`${registry.host}/team/cache`, 'test'), {
    pieceBytes,
    credentials: () => Promise.resolve(credentials),
  });
}

/** Lets a kind of request fail so many times. */
function failing(kind: RegExp, times: number, fail: WritableRegistry['intercept']) {
  let left = times;
  registry.intercept = (asked, response) => {
    if (!kind.test(`${asked.method} ${asked.path}`) || left === 0) return false;
    left--;
    return fail(asked, response);
  };
}

const answer =
  (status: number, headers = {}): WritableRegistry['intercept'] =>
  (_asked, response) => {
    response.writeHead(status, headers).end();
    return true;
  };

describe('sending a blob', () => {
  it('sends a large one in pieces, and none that is there', async () => {
    expect(await repository.writeBlob(digest, content)).toBe('sent');
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(registry.count(/^PATCH/)).toBe(3);
    expect(await repository.writeBlob(digest, content)).toBe('known');
    expect(registry.count(/^POST/)).toBe(1);
  });

  it('goes on where a broken connection left it', async () => {
    failing(/^PATCH/, 1, ({path, body, request}) => {
      // Half of the piece had arrived.
      registry.keep(path, body.subarray(0, 10_000));
      request.socket.destroy();
      return true;
    });
    expect(await repository.writeBlob(digest, content)).toBe('sent');
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(registry.count(/^GET .*uploads/)).toBe(1);
    expect(registry.count(/^POST/)).toBe(1);
  });

  it.each([429, 500, 503])('waits for a registry that answers %i', async (status) => {
    failing(/^(PATCH|PUT|POST)/, 2, answer(status));
    expect(await repository.writeBlob(digest, content)).toBe('sent');
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
  });

  it('begins again when the registry has forgotten the upload', async () => {
    failing(/^PATCH/, 1, answer(404));
    expect(await repository.writeBlob(digest, content)).toBe('sent');
    expect(registry.count(/^POST/)).toBe(2);
  });

  it('gives up on a registry that is full, and says what may be wrong', async () => {
    failing(/^PUT/, Infinity, answer(500));
    await expect(repository.writeBlob(digest, content)).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      message: expect.stringContaining('answers 500 for') as string,
      hint: 'Is there room left on its disk? Its log says more.',
    });
    expect(registry.blobs.size).toBe(0);
  });

  it.each([401, 403])('says who is not let in (%i)', async (status) => {
    failing(/./, Infinity, answer(status));
    await expect(repository.writeBlob(digest, content)).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      hint: expect.stringContaining(`docker login ${registry.host}`) as string,
    });
  });

  it('logs in as docker does: basic, and with a token', async () => {
    await repository[Symbol.asyncDispose]();
    repository = connect({username: 'anna', password: 'p:w'});
    const wanted = `Basic ${Buffer.from('anna:p:w').toString('base64')}`;
    registry.intercept = ({request}, response) => {
      if (request.headers.authorization === wanted) return false;
      return answer(401, {'www-authenticate': 'Basic realm="test"'})({} as never, response);
    };
    expect(await repository.writeBlob(digest, content)).toBe('sent');

    await repository[Symbol.asyncDispose]();
    repository = connect({username: 'anna', password: 'p:w'});
    registry.blobs.clear();
    const scopes: (string | null)[] = [];
    registry.intercept = ({request, path}, response) => {
      if (path === '/token') {
        const url = new URL(request.url ?? '', 'http://registry');
        scopes.push(url.searchParams.get('scope'));
        const token = url.searchParams.get('scope')?.endsWith('push') ? 'may-push' : 'may-pull';
        response.end(JSON.stringify(request.headers.authorization === wanted ? {token} : {}));
        return true;
      }
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      const tokens = isRead ? ['Bearer may-pull', 'Bearer may-push'] : ['Bearer may-push'];
      if (tokens.includes(request.headers.authorization ?? '')) return false;
      const scope = `repository:team/cache:pull${isRead ? '' : ',push'}`;
      const header = `Bearer realm="http://${registry.host}/token",service="s",scope="${scope}"`;
      return answer(401, {'www-authenticate': header})({} as never, response);
    };
    expect(await repository.writeBlob(digest, content)).toBe('sent');
    expect(scopes).toEqual(['repository:team/cache:pull', 'repository:team/cache:pull,push']);
  });
});

describe('reading', () => {
  it('takes nothing that is damaged, too short or too long', async () => {
    for (const bytes of [randomBytes(100_000), content.subarray(1), Buffer.concat([content, content])]) {
      registry.blobs.set(digest, bytes);
      expect(await repository.readBlob(digest, content.length)).toBeUndefined();
    }
    registry.blobs.set(digest, content);
    expect((await repository.readBlob(digest, content.length))?.equals(content)).toBe(true);
    expect(await repository.readBlob(digestOf(Buffer.from('x')), 1)).toBeUndefined();
  });

  it('refuses a manifest that is not what the registry says', async () => {
    registry.intercept = (_asked, response) => {
      response.writeHead(200, {'docker-content-digest': digest}).end('{}');
      return true;
    };
    await expect(repository.readManifest('a')).rejects.toMatchObject({
      message: expect.stringContaining('answered with another manifest') as string,
    });
  });

  it('lists every tag, page by page', async () => {
    const tags = Array.from({length: 2300}, (_, index) => `tag-${String(index).padStart(5, '0')}`);
    registry.intercept = ({request}, response) => {
      const query = new URL(request.url ?? '', 'http://registry').searchParams;
      const first = tags.findIndex((tag) => tag > (query.get('last') ?? ''));
      response.end(
        JSON.stringify({tags: first < 0 ? [] : tags.slice(first, first + Number(query.get('n')))}),
      );
      return true;
    };
    const listed = [];
    for await (const tag of repository.listTags()) listed.push(tag);
    expect(listed).toEqual(tags);
    expect(registry.requests).toHaveLength(3);
  });
});
