// Command web is a small shop with experiments, to be looked at in a browser:
// go run ./examples/web
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	shop, err := newShop("http://" + listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	go shop.sendMails()
	fmt.Println("The shop is open:", shop.base)
	server := &http.Server{Handler: shop.handler(), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}
