// The address of the page must not keep a secret: it ends up in history, bookmarks and screenshots. A right token is
// taken by the server, which then sends the page without it; so what is left in the address is a wrong one.
export function takeTokenOutOfAddress(): boolean {
  const address = new URL(location.href);
  if (!address.searchParams.has('token')) return false;
  address.searchParams.delete('token');
  history.replaceState(null, '', address.pathname + address.search + address.hash);
  return true;
}
