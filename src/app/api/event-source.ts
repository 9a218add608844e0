/** The `text/event-stream` format (HTML standard, section 9.2), as far as this API writes it. */

/** One event: the place after it, and its data. */
export interface ServerSentEvent {
  readonly id: string
  readonly data: string
}

/** Characters of one event, which is bounded so that a peer cannot fill memory. */
const maxEvent = 0x10_0000

/** Reads a body to its end. Throws RangeError for an event that is too long, and whatever the body breaks off with. */
export async function* readEventStream(
  body: ReadableStream<Uint8Array>,
  onRetry: (milliseconds: number) => void = () => {},
): AsyncGenerator<ServerSentEvent, void, void> {
  const decoder = new TextDecoder('utf-8')
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = endOf(text); end !== undefined; end = endOf(text)) {
      const event = parse(text.slice(0, end.at), onRetry)
      text = text.slice(end.at + end.length)
      if (event !== undefined) yield event
    }
    if (text.length > maxEvent) throw new RangeError('an event of the stream is too long')
  }
}

/** Where the first event ends: at an empty line, of whichever kind. */
function endOf(text: string): { readonly at: number; readonly length: number } | undefined {
  const found = /\n\n|\r\n\r\n|\r\r/.exec(text)
  return found === null ? undefined : { at: found.index, length: found[0].length }
}

function parse(block: string, onRetry: (milliseconds: number) => void): ServerSentEvent | undefined {
  let id = ''
  const data: string[] = []
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (name === 'id') id = value
    else if (name === 'data') data.push(value)
    else if (name === 'retry' && /^\d{1,6}$/.test(value)) onRetry(Number(value))
  }
  return data.length === 0 ? undefined : { id, data: data.join('\n') }
}
