"""Organizations and the people in them. Alice acts, Victor only looks, Charlie belongs elsewhere."""

from __future__ import annotations

import factory

from accounts.models import Membership, Organization, Role, User


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization

    slug = factory.Sequence(lambda n: f"org-{n}")
    name = factory.LazyAttribute(lambda o: o.slug.replace("-", " ").title())
    time_zone = "UTC"


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user-{n}")
    email = factory.LazyAttribute(lambda o: f"{o.username}@example.org")


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.RECRUITER


def member(organization: Organization, role: Role = Role.RECRUITER, **user: object) -> User:
    """A person with a role in the organization."""
    membership: Membership = MembershipFactory(
        organization=organization, role=role, **{f"user__{key}": value for key, value in user.items()}
    )
    return membership.user
