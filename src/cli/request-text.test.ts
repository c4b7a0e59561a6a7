import { describe, expect, it } from 'vitest';
import { requestText, type ShownRequest } from './request-text.ts';

function shown(request: Partial<ShownRequest> & { body?: Uint8Array | null }, reveal = false): string {
  const body = request.body ?? null;
  const bodyBytes = request.bodyBytes ?? body?.byteLength ?? 0;
  return requestText({ method: 'POST', path: '', headers: [], ...request, body, bodyBytes }, { reveal });
}

describe('a request as text', () => {
  it('shows JSON in lines, and text as text', () => {
    expect(shown({ body: Buffer.from('{"a":[1]}') })).toContain(
      '    {\n      "a": [\n        1\n      ]\n    }',
    );
    expect(shown({ body: Buffer.from('one\r\ntwo') })).toContain('    one\n    two');
    expect(shown({ body: Buffer.from('') })).toContain('(no body)');
  });

  it('shows what is no text as bytes, and how much there is', () => {
    const text = shown({ body: Buffer.from(Array.from({ length: 300 }, (_, index) => index % 256)) });
    expect(text).toContain('(binary, 300 B)');
    expect(text).toContain('000040  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO');
    expect(text).toContain('... 44 B more');
  });

  it('cuts what is long, also in the middle of a letter', () => {
    expect(shown({ body: Buffer.from('x'.repeat(5_000)) })).toContain('... cut: it has 4.9 KiB in all');
    const half = Buffer.from('ü'.repeat(10)).subarray(0, 19);
    expect(shown({ body: half, bodyBytes: 20 })).toContain('üüüüüüüüü');
    expect(shown({ body: null, bodyBytes: 2_000 })).toContain('too large to show here');
  });

  it('hides credentials, whatever their form, unless it is told not to', () => {
    const headers = ['Authorization', 'Bearer abcdefghijklmnopqrst', 'X-Api-Key', 'short', 'x-odd', 'plain'];
    const text = shown({ headers });
    expect(text).toContain('Authorization: Bearer abcd... (16 characters hidden)');
    expect(text).toContain('X-Api-Key: ... (5 characters hidden)');
    expect(text).toContain('x-odd: plain');
    expect(shown({ headers }, true)).toContain('Bearer abcdefghijklmnopqrst');
  });

  it('cannot take over the terminal', () => {
    const text = shown({
      path: '/\u001b]0;title\u0007',
      headers: ['x', '\u001b[2J'],
      body: Buffer.from('\u001b[31mred\u009b2J'),
    });
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});
