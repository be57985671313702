# login:passwordhash:Real Name:email:groups,comma,separated; the password is merino
editor:$2y$04$MRGBuzxghw1Lj4kf1uFqWeGhx/iEpYkqOCiqFW6ilkNFAsQEcJPpK:Editor:editor@shop.example:admin,user
