import { hash } from 'node:crypto'
import type { Secret } from '../../crypto/secret.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { type DppPublicKey, importPoint } from './key.ts'
import { multiplyPoint } from './multiple.ts'

export type PkexRole = 'initiator' | 'responder'

/** Role-specific elements Pi and Pr of each curve, x|y: points of which nobody knows the logarithm. */
const elements: { readonly [C in DppCurve]: { readonly [R in PkexRole]: string } } = {
  'P-256': {
    initiator:
      '562612cf3648fe0b0704bb122250b254b194647e54ce08072eecca745b612d25' +
      '3e44c7c98c1ca10b200993b2fde569dc75bcad33c1e7c6454d101e6a3d843ca4',
    responder:
      '1ea48ab1a4e84239ad7307f234df574fc09d54be361b310f59915233ac199d76' +
      'd9fbf6b9f5fadf1958d83ec9897a35c1bde90b777acb912ae8213f4752024d67',
  },
  'P-384': {
    initiator:
      '953f429e507ff9aaac1af2852e64916864c43cb75cf8c9536e584c7fc46461ac518a6ffeab74e61281ac385d41e6b9a3' +
      '762f6884a6b0592983a26ca46c3bf85676112a3290bd07c737399ddb96f32bb627bb293c17339d94c3daac46b08e0718',
    responder:
      'adbed71d3a7164985fb4d64b50d084974b7e5770d2d9f4922a3fce99c5773344145692cbae4664dfe0bbd7b1292072df' +
      'aba7df52aae2350ce37532e6bf06c87c38294cec82acd7a309d20e225a7452a17e544efec629336315e17be3401cca06',
  },
  'P-521': {
    initiator:
      '00162045195095230d24be0087dcfaf0589a0160077aca7601ab2d5a46cd2cb5119affaa48049138cf86fca4a50f4701801b30a3aee81c2eeaccf0039f774c8d9776' +
      '00b38e02e42a635912c610ba3af902993f14f040de5cc98b0255fa91b1cc6abde562c0c5e3a1579f081aa6e2f85590bff5a6c3d8521fb7022e7cc8b3201e798d03a8',
    responder:
      '0079e44d6b5e120a182cb305770fc3441acd784614ee463fabc9597c85a0c2fb023299de5de10d482d717d8d3f61679e2b8b12de1021550a5b2de80509f6209784b4' +
      '00466339becda42dca2774d41b91332083c73ba4098b8ea388e9757f567b388462027c905107dbe9d0deda9a5de594d2cf9d4c3391a6c380a76e7e8df8736e53cee1',
  },
  'BP-256': {
    initiator:
      '4698186c27cd4b107d55a3dd891f9fcac7425b8a23edf875acc7e98dc26fecd8' +
      '93caefa9663e87cd526e5413ef31673015139d6dc09532be4fab5df7bf5eaa0b',
    responder:
      '901884c9dcccb52f4a3f4f180a22566aa9efd4e6c353c21a2354dd087e10d8e3' +
      '2afa989be3da30fd3228cb66fb407ff2b22580824485137e4bb506c003692364',
  },
  'BP-384': {
    initiator:
      '0a2ceb495eb723bd205be049dfcfcf193736e12f59db0706b5eb2daec2b23862a67309a06c0aa23099ebf71e47b95ebe' +
      '54766165755a2f993973ca6cf9f7128654d5d4ad457bbf32ee628b9f52e8a0c9b79dd109b4791c3e1abf2145666b0252',
    responder:
      '03a257efe85121a0c89e2102b59a36257422d1f21ba89a9b97bc5aeb261509717759ec8bb7e1e8ce65b8aff880ae746c' +
      '2fd96ac73eec76652d387fec63263f04d84effe10a517470e546637f5cc0d17cfb2feae2d80f84cbe9395c64fecb2ff1',
  },
  'BP-512': {
    initiator:
      '4ce9b61ce2003c9ca9c85652af873e519cbb15311ec105fc7c77d7376127d09598ee5da43d09db3dfa899e7fa6a69cff835c216c3ef2fedc63e4d10e7545690f' +
      '50b59bfa4567759444e768b0eb3eb3b8f99905efae6cbce3e1d25154df59d445413aa80b7632440e07603a6ebefee05852a0aa8bd85bf271119a9e8f1ad1c999',
    responder:
      '2a603227a1e694721c48bec577143076e4bff77bc5fddf191e0fdf1c40fa349e1f4224a32cd5c7c97b477896f1370e88cba65229d7a838298e6e2347d44b703e' +
      '801f43d21735ec81d94bdc8119d95f681684fe634b8d5daa884a4748d4eaab7d6abfe128996a871c30b4442d75ac350973243db443b1c15656ad3087f4c300c7',
  },
}

export function roleElement(curve: DppCurve, role: PkexRole): DppPublicKey {
  return importPoint(curve, Buffer.from(elements[curve][role], 'hex'))
}

/** What two people told each other. */
export interface PkexCode {
  readonly code: Secret
  /** Which of several codes it is; travels in clear. */
  readonly identifier?: string
}

/**
 * Qi or Qr: H([MAC |] [identifier |] code) * Pi or Pr. It hides the ephemeral key of the party in that role.
 *
 * @param mac of the party in that role, six octets; only in version 1
 */
export function encryptingElement(
  curve: DppCurve,
  role: PkexRole,
  { code, identifier = '' }: PkexCode,
  mac: Uint8Array = new Uint8Array(),
): DppPublicKey {
  const text = Buffer.concat([mac, Buffer.from(identifier), code.reveal()])
  const scalar = hash(curveProfile(curve).hash, text, 'hex')
  text.fill(0)
  return multiplyPoint(roleElement(curve, role), BigInt(`0x${scalar}`))
}
