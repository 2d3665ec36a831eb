package redisstore_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rolloutkit/rolloutkit/core"
	"github.com/rolloutkit/rolloutkit/core/redisstore"
)

// A program that has a client already shares it.
func ExampleNew() {
	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer rdb.Close()
	store, err := redisstore.New(rdb, &redisstore.Options{
		Buckets: func(experiment string) int {
			if experiment == "shop_front_page" { // two hundred million visitors
				return 1 << 20
			}
			return 0
		},
	})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	client, err := core.New(core.Config{Store: store, KeySecret: []byte("thirty-two bytes of real secrecy"), NamePrefix: "shop"})
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// A program can refuse to start on a Redis that would forget assignments.
func ExampleStore_Check() {
	rdb, err := redisstore.NewClient("redis://localhost:1")
	if err != nil {
		panic(err)
	}
	defer rdb.Close()
	store, err := redisstore.New(rdb, nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	warnings, err := store.Check(context.Background())
	if err != nil {
		fmt.Println("Redis is not there; assignments are decided without it")
	}
	for _, w := range warnings {
		fmt.Println(w)
	}
	// Output: Redis is not there; assignments are decided without it
}
