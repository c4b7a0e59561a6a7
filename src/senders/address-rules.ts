import { AddressGuard } from './address-guard.ts';
import { contains, parseCidr, parseIp, unmap } from './ip-ranges.ts';

/** The questions about addresses that use cases ask, answered from the guard's tables. */
export class GuardedAddressRules {
  readonly #guard: AddressGuard;

  constructor(guard: AddressGuard) {
    this.#guard = guard;
  }

  within(address: string, blocks: readonly string[]): boolean {
    const ip = parseIp(address);
    if (ip === null) return false;
    const plain = unmap(ip);
    return blocks.some((block) => {
      const cidr = parseCidr(block);
      return cidr !== null && contains(cidr, plain);
    });
  }

  isBlock(text: string): boolean {
    return parseCidr(text) !== null;
  }

  refuseUrl(url: string): string | null {
    return this.#guard.checkUrl(url);
  }
}
