/*
 * The six curves of Easy Connect, and everything that a curve decides: hash, lengths, names. The hash goes with the length of
 * the prime, and everything that has the length of a hash (session keys, tags) goes with the hash.
 */

/** As in `crv` of a JWK. */
export type DppCurve = 'P-256' | 'P-384' | 'P-521' | 'BP-256' | 'BP-384' | 'BP-512'

/** y^2 = x^3 + ax + b over the field of p; q is the order. All cofactors are 1, so a point on the curve is in the group. */
export interface CurveEquation {
  readonly p: bigint
  readonly a: bigint
  readonly b: bigint
  readonly q: bigint
}

export interface CurveProfile {
  readonly curve: DppCurve
  /** Of OpenSSL. */
  readonly namedCurve: string
  /** Object identifier in DER, tag included. */
  readonly oid: Uint8Array
  /** "Finite Cyclic Group" attribute: number of the IKE group (RFC 5903, RFC 6932). */
  readonly group: number
  readonly hash: 'sha256' | 'sha384' | 'sha512'
  /** Bytes of a hash, of every key of the schedule, of a tag. */
  readonly hashSize: 32 | 48 | 64
  readonly nonceSize: 16 | 24 | 32
  /** Bytes of one coordinate. */
  readonly coordinateSize: 32 | 48 | 64 | 66
  /** JWS algorithm of a Connector signed with a key on this curve. */
  readonly algorithm: 'ES256' | 'ES384' | 'ES512' | 'BS256' | 'BS384' | 'BS512'
  readonly equation: CurveEquation
}

const size256 = { hash: 'sha256', hashSize: 32, nonceSize: 16, coordinateSize: 32 } as const
const size384 = { hash: 'sha384', hashSize: 48, nonceSize: 24, coordinateSize: 48 } as const
const size512 = { hash: 'sha512', hashSize: 64, nonceSize: 32, coordinateSize: 64 } as const

const oid = (hex: string) => Buffer.from(hex, 'hex')

/** SEC 2 version 2 section 2 and RFC 5639 section 3. In the order in which a bootstrapping URI counts them. */
export const curves: readonly CurveProfile[] = [
  {
    curve: 'P-256',
    namedCurve: 'prime256v1',
    oid: oid('06082a8648ce3d030107'),
    group: 19,
    ...size256,
    algorithm: 'ES256',
    equation: {
      p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
      a: 0xffffffff00000001000000000000000000000000fffffffffffffffffffffffcn,
      b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
      q: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    },
  },
  {
    curve: 'P-384',
    namedCurve: 'secp384r1',
    oid: oid('06052b81040022'),
    group: 20,
    ...size384,
    algorithm: 'ES384',
    equation: {
      p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
      a: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffcn,
      b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
      q: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    },
  },
  {
    curve: 'P-521',
    namedCurve: 'secp521r1',
    oid: oid('06052b81040023'),
    group: 21,
    ...size512,
    coordinateSize: 66,
    algorithm: 'ES512',
    equation: {
      p: 2n ** 521n - 1n,
      a: 2n ** 521n - 4n,
      b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
      q: 0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    },
  },
  {
    curve: 'BP-256',
    namedCurve: 'brainpoolP256r1',
    oid: oid('06092b2403030208010107'),
    group: 28,
    ...size256,
    algorithm: 'BS256',
    equation: {
      p: 0xa9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377n,
      a: 0x7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9n,
      b: 0x26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6n,
      q: 0xa9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7n,
    },
  },
  {
    curve: 'BP-384',
    namedCurve: 'brainpoolP384r1',
    oid: oid('06092b240303020801010b'),
    group: 29,
    ...size384,
    algorithm: 'BS384',
    equation: {
      p: 0x8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53n,
      a: 0x7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826n,
      b: 0x4a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11n,
      q: 0x8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565n,
    },
  },
  {
    curve: 'BP-512',
    namedCurve: 'brainpoolP512r1',
    oid: oid('06092b240303020801010d'),
    group: 30,
    ...size512,
    algorithm: 'BS512',
    equation: {
      p: 0xaadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3n,
      a: 0x7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94can,
      b: 0x3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723n,
      q: 0xaadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069n,
    },
  },
]

const byName = new Map<string, CurveProfile>(curves.map(profile => [profile.curve, profile]))
const byGroup = new Map(curves.map(profile => [profile.group, profile]))
const byNamedCurve = new Map(curves.map(profile => [profile.namedCurve, profile]))

export function curveProfile(curve: DppCurve): CurveProfile {
  return byName.get(curve)!
}

/** undefined for any other text: `crv` of a JWK. */
export function curveNamed(name: string): CurveProfile | undefined {
  return byName.get(name)
}

/** undefined for a group that Easy Connect does not have. */
export function curveOfGroup(group: number): CurveProfile | undefined {
  return byGroup.get(group)
}

/** @param namedCurve as in `asymmetricKeyDetails` of a KeyObject */
export function curveOfKey(namedCurve: string | undefined): CurveProfile | undefined {
  return namedCurve === undefined ? undefined : byNamedCurve.get(namedCurve)
}
