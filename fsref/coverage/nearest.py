"""The kernel that finds which membranes of images come nearest to where bins want them (OBS-4)."""

from __future__ import annotations

from fsref.engines.kernels import Kernel


@Kernel
def nearest(v, T, h, ends, steps, low, high, wanted, first, u, missing, image, place):  # type: ignore[no-untyped-def]
    """Where a membrane comes nearer to a mark than all before, note by how much it misses it, its image and its place.

    v (B, C, N) are opening membranes of images numbered from `first` on, u (N,) is room. Marks ends[c]:ends[c+1] are
    those of channel c, by step: a membrane low..high before step t, of those `wanted`; missing, image, place (marks,).
    """
    for b in range(v.shape[0]):
        for c in range(v.shape[1]):
            for n in range(u.size):
                u[n] = v[b, c, n]
            at = ends[c]
            for t in range(T.shape[1] + 1):
                while at < ends[c + 1] and steps[at] == t:
                    if wanted[at]:
                        a, z, best = low[at], high[at], abs(missing[at])
                        least = best
                        for n in range(u.size):
                            least = min(least, max(a - u[n], u[n] - z, 0))
                        if least < best:
                            n = 0
                            while max(a - u[n], u[n] - z, 0) != least:
                                n += 1
                            missing[at], image[at], place[at] = max(a - u[n], 0) + min(z - u[n], 0), first + b, n
                    at += 1
                if t < T.shape[1]:
                    for n in range(u.size):
                        u[n] -= h[c, t] * (u[n] >= T[c, t])
