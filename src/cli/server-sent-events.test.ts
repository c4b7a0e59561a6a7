import { describe, expect, it } from 'vitest';
import { ServerSentEventParser, type StreamItem } from './server-sent-events.ts';

function read(...pieces: string[]): StreamItem[] {
  const parser = new ServerSentEventParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

const hello = { kind: 'event', event: { id: '7', event: 'greeting', data: 'hello' } };

describe('a stream of server-sent events', () => {
  it.each([['\n'], ['\r\n'], ['\r']])('is read with lines that end in %j', (end) => {
    const text = ['id: 7', 'event: greeting', 'data: hello', '', ''].join(end);
    expect(read(`${text}:x\n`)[0]).toEqual(hello);
  });

  it('is the same however it is cut', () => {
    const text = 'retry: 20\r\n\r\nid: 7\r\nevent: greeting\r\ndata: hello\r\n\r\n: idle\n';
    const whole = read(text);
    expect(whole).toEqual([{ kind: 'retry', ms: 20 }, hello, { kind: 'comment' }]);
    expect(read(...text.split(''))).toEqual(whole);
  });

  it('joins lines of data, keeps the id for later events, and drops what was not ended', () => {
    const items = read('id: 1\ndata: a\ndata: b\n\ndata:c\n\ndata: lost');
    expect(items).toEqual([
      { kind: 'event', event: { id: '1', event: 'message', data: 'a\nb' } },
      { kind: 'event', event: { id: '1', event: 'message', data: 'c' } },
    ]);
  });
});
