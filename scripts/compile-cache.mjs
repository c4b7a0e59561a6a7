/**
 * Loaded before a checkout's own code (`node --import`), in every thread: types that were stripped and code
 * that was compiled are kept between starts.
 *
 * Plain JavaScript, because Node would have to strip the types of a TypeScript file before any cache is
 * on: that alone loads its stripper, some 15 MiB and 100 ms, again in each thread.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
