// Grants in the memory of this process.
import type {
  BeatReply,
  GrantReply,
  GrantRequest,
  Grants,
  Inbox,
  ResourceView,
} from '../../core/ports.ts'
import { Resource, type Surroundings } from './resource.ts'
import { outgrow } from './wall-clock.ts'

/** Resources by name; an idle one takes no memory. */
export class MemoryGrants implements Grants {
  readonly #resources = new Map<string, Resource>()
  readonly #around: Surroundings

  constructor(now: () => number, publish: Surroundings['publish']) {
    let fence = 0
    this.#around = {
      now,
      publish,
      // One counter for all resources, so that it keeps growing for one that was forgotten while idle.
      nextFence: () => {
        fence = outgrow(fence)
        return fence
      },
    }
  }

  async acquire(request: GrantRequest): Promise<GrantReply> {
    return this.#with(request.resource, (resource) => resource.acquire(request))
  }

  async renew(name: string, id: string, ttl: number): Promise<number | undefined> {
    return this.#resources.get(name)?.renew(id, ttl)
  }

  async release(name: string, id: string): Promise<boolean> {
    return this.#with(name, (resource) => resource.release(id))
  }

  async beat(name: string, inbox: Inbox, ids: readonly string[]): Promise<BeatReply> {
    return this.#with(name, (resource) => resource.beat(inbox, ids))
  }

  async inspect(name: string): Promise<ResourceView> {
    return this.#with(name, (resource) => resource.inspect())
  }

  #with<T>(name: string, use: (resource: Resource) => T): T {
    const resource = this.#resources.get(name) ?? new Resource(this.#around)
    const result = use(resource)
    if (resource.idle) this.#resources.delete(name)
    else this.#resources.set(name, resource)
    return result
  }
}
