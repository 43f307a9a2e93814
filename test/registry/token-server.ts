import {createHash, randomUUID, sign, type KeyObject, type X509Certificate} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';

/** Who may do what: repository:actions that a token is given for. */
export interface TokenRequest {
  readonly authorization: string | undefined;
  readonly scopes: readonly string[];
}

/**
 * A token server as registries name one (Docker: "Token Authentication Specification"), which signs what a
 * docker-registry believes that has its certificate as `rootcertbundle`.
 */
export class TokenServer implements AsyncDisposable {
  readonly #server: Server;
  readonly requests: TokenRequest[] = [];

  /** @param allow the actions of those asked for that somebody may do. */
  private constructor(
    certificate: X509Certificate,
    key: KeyObject,
    allow: (asked: TokenRequest, actions: readonly string[]) => readonly string[],
  ) {
    this.#server = createServer((request, response) => {
      const {searchParams} = new URL(request.url ?? '/', 'http://token');
      const asked = {authorization: request.headers.authorization, scopes: searchParams.getAll('scope')};
      this.requests.push(asked);
      const access = asked.scopes.map((scope) => {
        const [, type = '', name = '', actions = ''] = /^(.+?):(.+):(.+)$/.exec(scope) ?? [];
        return {type, name, actions: allow(asked, actions.split(','))};
      });
      const token = signed(certificate, key, searchParams.get('service') ?? '', access);
      response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify({token}));
    });
  }

  static async start(
    certificate: X509Certificate,
    key: KeyObject,
    allow: (asked: TokenRequest, actions: readonly string[]) => readonly string[],
  ): Promise<TokenServer> {
    const server = new TokenServer(certificate, key, allow);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** The section `auth` of a docker-registry's configuration. */
  auth(rootcertbundle: string): object {
    const realm = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/token`;
    return {token: {realm, service: 'test', issuer: 'test', rootcertbundle}};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A JSON Web Token (RFC 7519) with the certificate of its key. */
function signed(certificate: X509Certificate, key: KeyObject, audience: string, access: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const header = {typ: 'JWT', alg: 'ES256', x5c: [certificate.raw.toString('base64')]};
  const payload = {
    ...{iss: 'test', sub: '', aud: audience, jti: createHash('sha256').update(randomUUID()).digest('hex')},
    ...{iat: now, nbf: now - 10, exp: now + 300, access},
  };
  const text = `${encode(header)}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(text), {key, dsaEncoding: 'ieee-p1363'});
  return `${text}.${signature.toString('base64url')}`;
}
