"""A shop as a FastAPI application with SQLAlchemy's ORM: preloaded, then served by forked workers with threads.

Usage: python fastapi_shop.py CONNINFO [workers]
"""

import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKey, create_engine, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from indexpilot_cli import host

CONNINFO = sys.argv[1]
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(CONNINFO))


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    email: Mapped[str]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[str]


Base.metadata.create_all(engine)
host.init_connection_pool(CONNINFO, 1, 4)
assert host.discover_and_bootstrap_schema()["success"]
host.record_sqlalchemy(engine)

app = FastAPI()


@app.middleware("http")
async def of_account(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    with host.tenant_context(int(request.headers["x-account"])):
        return await answer(request)


@app.post("/customers")
def add_customer(email: str, request: Request) -> int:
    with Session(engine) as session:
        customer = Customer(account_id=int(request.headers["x-account"]), email=email)
        session.add(customer)
        session.commit()
        return customer.id


@app.get("/orders")
def orders_of(email: str) -> list[int]:
    with Session(engine) as session:
        query = select(Order.id).join(Customer, Order.customer_id == Customer.id).where(Customer.email == email)
        return list(session.scalars(query.order_by(Order.id.desc()).limit(10)))


@app.get("/customers/count")
async def customers_like(text: str) -> int:
    with Session(engine) as session:
        query = select(func.count()).select_from(Customer).where(Customer.email.like(f"{text}%"))
        return session.execute(query).scalar_one()


@app.post("/orders/{number}/close")
def close(number: int) -> int:
    with Session(engine) as session:
        done = session.execute(update(Order).where(Order.id == number).values(status="closed"))
        session.commit()
        return done.rowcount


def work(number: int) -> None:
    """What a worker is asked: four threads, twenty requests, all of them for the account of its number."""
    engine.dispose(close=False)  # the parent's connections are the parent's
    client = TestClient(app, headers={"x-account": str(number)})

    def visit(visitor: int) -> None:
        email = f"{visitor}@{number}.example"
        assert client.post("/customers", params={"email": email}).status_code == 200
        assert client.get("/orders", params={"email": email}).json() == []
        assert client.get("/customers/count", params={"text": email}).json() == 1
        assert client.post(f"/orders/{visitor}/close").json() == 0

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(visit, range(5)))


if __name__ == "__main__":
    workers = []
    for number in range(1, 1 + int(sys.argv[2] if len(sys.argv) > 2 else "2")):
        workers.append(os.fork())
        if workers[-1] == 0:
            work(number)
            sys.exit(0)  # as a worker of gunicorn ends
    assert [os.waitpid(worker, 0)[1] for worker in workers] == [0] * len(workers)
