// A hook of node's module loader: a relative name without an ending is tried as a file and as a folder.
export async function resolve(name, context, next) {
  for (const ending of name.startsWith('.') ? ['', '.js', '/index.js'] : []) {
    const found = await next(name + ending, context).catch(() => null)
    if (found) return found
  }
  return next(name, context)
}
