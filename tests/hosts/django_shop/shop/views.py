"""Views, their addresses, and the tenant of a request."""

from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.urls import path

from shop.models import Author, Book


def account_of(request: HttpRequest) -> int:
    return int(request.headers["X-Account"])


def add(request: HttpRequest) -> JsonResponse:
    author, _ = Author.objects.get_or_create(name=request.GET["author"])
    book = Book.objects.create(author=author, title=request.GET["title"], price="9.50")
    return JsonResponse({"id": book.pk})


def cheap(request: HttpRequest) -> JsonResponse:
    found = Book.objects.filter(author__name=request.GET["author"], price__lt=10, published__isnull=True)
    with connections["scratch"].cursor() as cursor:  # another database, which is none of PostgreSQL's
        cursor.execute("SELECT 1")
    return JsonResponse({"titles": [book.title for book in found.order_by("-published")[:5]]})


async def rename(request: HttpRequest) -> JsonResponse:
    changed = await Book.objects.filter(pk__in=request.GET.getlist("id")).aupdate(title=request.GET["title"])
    return JsonResponse({"changed": changed})


urlpatterns = [path("add", add), path("cheap", cheap), path("rename", rename)]
