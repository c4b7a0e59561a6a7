/**
 * A type pattern as a regular expression of PostgreSQL's (and JavaScript's), for `type ~ $1`: the same
 * answers as `typeMatches` of the domain, given where the rows are.
 */
export function typePatternRegExp(pattern: string): string {
  const segments = pattern.split('.');
  let source = '';
  // Whether what is written so far may be followed by a full stop: nothing is before the first segment.
  let begun = false;
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '**') {
      if (isLast && !begun) return '^';
      source += isLast || begun ? '(\\.[^.]*)*' : '([^.]*\\.)*';
      continue;
    }
    source += begun ? '\\.' : '';
    if (segment === '*') source += isLast ? '.*' : '[^.]*';
    else source += segment.replaceAll(/[^A-Za-z0-9_-]/g, '\\$&');
    begun = true;
  }
  return `^${source}$`;
}
