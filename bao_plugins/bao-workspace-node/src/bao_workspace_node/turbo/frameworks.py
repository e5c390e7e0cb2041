"""Frameworks, and the variables that each of them builds into what it makes.

The facts are those of turbo 2.11, as `turbo run --dry=json` tells them.
"""

from __future__ import annotations

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_HOSTS = """
    AWS_APP_ID INPUT_AZURE_STATIC_WEB_APPS_API_TOKEN CLEAVR CF_PAGES FIREBASE_APP_HOSTING NETLIFY
    STORMKIT NOW_BUILDER ZEABUR RENDER
"""


class Framework(Struct, frozen=True, gc=False):
    """A framework.

    Attributes:
        name: What people call it.
        packages: Packages that show it in dependencies, devDependencies or optionalDependencies.
        env: Patterns of the variables that it reads.
        needs_all: Whether all of `packages` must be there; otherwise one is enough.
    """

    name: str
    packages: tuple[str, ...]
    env: tuple[str, ...]
    needs_all: bool = False

    def is_used_by(self, dependencies: Collection[str]) -> bool:
        """Whether a package with these dependencies uses it."""
        return (all if self.needs_all else any)(name in dependencies for name in self.packages)


def _framework(name: str, packages: str, env: str, *, needs_all: bool = False) -> Framework:
    return Framework(name, tuple(packages.split()), tuple(env.split()), needs_all)


FRAMEWORKS: tuple[Framework, ...] = (
    _framework("Astro", "astro", "PUBLIC_*"),
    _framework("Blitz", "blitz", "NEXT_PUBLIC_*"),
    _framework("Create React App", "react-scripts react-dev-utils", "REACT_APP_*"),
    _framework("Expo", "expo", "EXPO_PUBLIC_*"),
    _framework("Gatsby", "gatsby", "GATSBY_*"),
    _framework(
        # Turbo counts the last one where VERCEL_SKEW_PROTECTION_ENABLED is 1.
        "Next.js",
        "next",
        "NEXT_PUBLIC_* NEXT_DEPLOYMENT_ID VERCEL_DEPLOYMENT_ID",
    ),
    _framework(
        "Nitro", "nitropack nitropack-nightly nitro nitro-nightly", f"NITRO_* SERVER_* {_HOSTS}"
    ),
    _framework(
        "Nuxt",
        "nuxt nuxt-edge nuxt3 nuxt3-edge",
        f"NUXT_* NUXT_ENV_* NITRO_* SERVER_* {_HOSTS} LAUNCH_EDITOR",
    ),
    _framework("RedwoodJS", "@redwoodjs/core", "REDWOOD_ENV_*"),
    _framework("Remix", "@remix-run/dev @remix-run/react @remix-run/serve", "REMIX_*"),
    _framework("Sanity Studio", "@sanity/cli", "SANITY_STUDIO_*"),
    _framework("SolidStart", "solid-js solid-start", "VITE_*", needs_all=True),
    _framework("SvelteKit", "@sveltejs/kit", "VITE_* PUBLIC_*"),
    _framework("Vite", "vite", "VITE_*"),
    _framework("Vue", "@vue/cli-service", "VUE_APP_* LAUNCH_EDITOR"),
)
"""In the order of asking: a package uses the first that it shows, and no other."""


def framework_env(dependencies: Collection[str]) -> tuple[str, ...]:
    """Patterns of the variables that count for a package with these dependencies."""
    return next((f.env for f in FRAMEWORKS if f.is_used_by(dependencies)), ())
