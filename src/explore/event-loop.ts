/**
 * Long work on a device that computes at once (WebAssembly) awaits promises that are settled already, and those go before
 * everything else: Ctrl-C, timers and a page's clicks would wait until the end. So loops give way now and then.
 */
export function giveWay(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve));
}
