import 'reflect-metadata';
import {KeyUsageFlags} from '@peculiar/x509';
import {describe, expect, it} from 'vitest';
import {orderChain} from '../../../../../api/ota/signing/order-chain.ts';
import {validateChain} from '../../../../../api/ota/signing/validate-chain.ts';
import {issue, now, type CertificateSpec, type Issued} from './certificates.ts';

interface Chain {
  readonly root: Issued;
  readonly middle: Issued;
  readonly leaf: Issued;
}

/** root → middle → leaf, each with what the test changes. */
async function makeChain(
  change: {
    root?: Partial<CertificateSpec>;
    middle?: Partial<CertificateSpec>;
    leaf?: Partial<CertificateSpec>;
  } = {},
): Promise<Chain> {
  const root = await issue({name: 'root', ca: {}, ...change.root});
  const middle = await issue({name: 'middle', issuer: root, ca: {}, ...change.middle});
  const leaf = await issue({name: 'leaf', issuer: middle, ...change.leaf});
  return {root, middle, leaf};
}

const check = ({root, middle, leaf}: Chain, at = now) =>
  validateChain([leaf.certificate, middle.certificate], [root.certificate], at).map(({subject}) => subject);

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({code: 'CHAIN_INVALID', message: expect.stringMatching(message) as string});

describe('a chain is valid', () => {
  it('from the signing certificate to the root', async () => {
    expect(check(await makeChain())).toEqual(['CN=leaf', 'CN=middle', 'CN=root']);
  });

  it('with a path length that is just enough', async () => {
    expect(check(await makeChain({root: {ca: {pathLength: 1}}, middle: {ca: {pathLength: 0}}}))).toHaveLength(
      3,
    );
  });

  it('on other curves than that of the signature of images', async () => {
    expect(check(await makeChain({root: {curve: 'P-384'}, middle: {curve: 'P-384'}}))).toHaveLength(3);
  });

  it('up to an intermediate, or the signing certificate itself, that is trusted', async () => {
    const {middle, leaf} = await makeChain();
    const chain = [leaf.certificate, middle.certificate] as const;
    expect(validateChain(chain, [middle.certificate], now)).toHaveLength(2);
    expect(validateChain(chain, [leaf.certificate], now)).toHaveLength(1);
  });
});

describe('a chain is refused', () => {
  it.each<[string, Parameters<typeof makeChain>[0], RegExp]>([
    ['a path length is exceeded', {root: {ca: {pathLength: 0}}}, /allows 0 intermediates/],
    ['an issuer is no authority', {middle: {ca: undefined}}, /not a certificate authority/],
    ['basicConstraints are not critical', {middle: {ca: {critical: false}}}, /not critical/],
    ['those of the root are not', {root: {ca: {critical: false}}}, /not critical/],
    [
      'an issuer must not sign certificates',
      {middle: {keyUsage: KeyUsageFlags.digitalSignature}},
      /must not sign/,
    ],
    ['the signing certificate has expired', {leaf: {notAfter: new Date('2026-02-01')}}, /is valid from/],
    ['the root has expired', {root: {notAfter: new Date('2026-02-01')}}, /is valid from/],
    ['an intermediate is not valid yet', {middle: {notBefore: new Date('2026-12-01')}}, /is valid from/],
    [
      'it has an unknown critical extension',
      {leaf: {unknownCritical: true}},
      /unknown critical extension 1.2.3.4/,
    ],
  ])('when %s', async (_what, change, message) => {
    const chain = await makeChain(change);
    expect(() => check(chain)).toThrow(refusal(message));
  });

  it('when nothing of it is trusted', async () => {
    const {leaf, middle} = await makeChain();
    const {root} = await makeChain({root: {name: 'other'}});
    expect(() => check({root, middle, leaf})).toThrow(refusal(/no trusted certificate issued "CN=middle"/));
  });

  it('when a trusted certificate has the right name and another key', async () => {
    const {leaf, middle} = await makeChain();
    const {root} = await makeChain();
    expect(() => check({root, middle, leaf})).toThrow(refusal(/did not sign/));
  });
});

describe('the certificates of x5c', () => {
  it('may come in any order', async () => {
    const {middle, leaf} = await makeChain();
    expect(orderChain([middle.certificate, leaf.certificate])).toEqual([
      leaf.certificate,
      middle.certificate,
    ]);
  });

  it('must not have a root, a second chain, or too many', async () => {
    const {root, middle, leaf} = await makeChain();
    const other = await issue({name: 'other', issuer: root});
    const order = (...chain: readonly Issued[]) => orderChain(chain.map(({certificate}) => certificate));
    expect(() => order(leaf, middle, root)).toThrow(refusal(/self-issued/));
    expect(() => order(leaf, middle, other)).toThrow(refusal(/two chains/));
    expect(() => order(...Array.from({length: 7}, () => leaf))).toThrow(refusal(/7 certificates/));
  });

  it('must not have issued each other', async () => {
    const a = await issue({name: 'a', ca: {}});
    const b = await issue({name: 'b', issuer: a, ca: {}});
    const again = await issue({name: 'a', issuer: b, ca: {}});
    expect(() => orderChain([b.certificate, again.certificate])).toThrow(refusal(/no signing certificate/));
  });
});
